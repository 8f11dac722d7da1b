"""Who is let in: names, origins, tokens, addresses."""

import json
import re
import socket

import httpx
import pytest

from pipersr_build.config_serve import ServeConfig, check_serve
from pipersr_build.errors import InputError
from pipersr_build.service import server
from tests.conftest import ROOT
from tests.unit.service.service_fakes import png, serving

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("open"), hosts=["studio.local"]) as url:
        yield url


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("locked"), token=TOKEN) as url:
        yield url


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9998", 200),
        ("LOCALHOST", 200),
        ("[::1]:9998", 200),
        ("studio.local", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_a_name_that_was_rebound_is_refused(site, host, status):
    assert httpx.get(f"{site}/health", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", ""])
@pytest.mark.parametrize("path", ["/v1/images/upscale", "/v1/video/upscale"])
def test_other_sites_cannot_post(site, origin, path):
    answer = httpx.post(f"{site}{path}", files={"file": png()[0]}, headers={"Origin": origin})
    assert answer.status_code == 403


def test_the_services_own_page_may_post(site):
    answer = httpx.post(f"{site}/v1/images/upscale", files={"file": png()[0]}, headers={"Origin": site})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"X-Session-Key": ""},
        {"Authorization": f"Bearer {TOKEN}x"},
    ],
)
def test_without_the_token_nothing_is_done(locked, headers):
    answers = [
        httpx.post(f"{locked}/v1/images/upscale", files={"file": png()[0]}, headers=headers),
        httpx.get(f"{locked}/v1/video/results/x", headers=headers),
        httpx.get(f"{locked}/v1/openapi.json", headers=headers),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{"Authorization": f"bearer {TOKEN}"}, {"X-Session-Key": TOKEN}])
def test_with_the_token_it_is(locked, headers):
    answer = httpx.post(f"{locked}/v1/images/upscale", files={"file": png()[0]}, headers=headers)
    assert answer.status_code == 200


def test_page_and_health_are_open_and_hold_no_token(locked):
    for path in ("/", "/health"):
        answer = httpx.get(f"{locked}{path}")
        assert answer.status_code == 200
        assert TOKEN not in answer.text


def test_answers_are_not_kept_or_sniffed(site):
    headers = httpx.get(f"{site}/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_the_interface_describes_itself(site):
    described = httpx.get(f"{site}/v1/openapi.json").json()
    assert {"/v1/images/upscale", "/v1/video/upscale", "/health"} <= set(described["paths"])
    form = described["paths"]["/v1/images/upscale"]["post"]["requestBody"]["content"]
    assert list(form) == ["multipart/form-data"]
    assert "429" in described["paths"]["/v1/video/upscale"]["post"]["responses"]
    assert httpx.get(f"{site}/docs").status_code == 404  # it would load scripts from elsewhere
    assert json.dumps(described)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "8.8.8.8"])
def test_other_addresses_need_a_token(host, monkeypatch):
    monkeypatch.delenv(server.TOKEN_VARIABLE, raising=False)
    with pytest.raises(InputError, match="needs a token"):
        server.read_token(ServeConfig(host=host))
    monkeypatch.setenv(server.TOKEN_VARIABLE, TOKEN)
    assert server.read_token(ServeConfig(host=host)) == TOKEN


def test_this_machine_alone_needs_none(monkeypatch):
    monkeypatch.delenv(server.TOKEN_VARIABLE, raising=False)
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert server.read_token(ServeConfig(host=host)) is None


@pytest.mark.parametrize("text", ["short", "", "with a n\newline in the token", "ein Schlüssel mit Umlaut"])
def test_a_poor_token_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.delenv(server.TOKEN_VARIABLE, raising=False)
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        server.read_token(ServeConfig(token_file=str(tmp_path / "token")))


def test_a_missing_token_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        server.read_token(ServeConfig(token_file=str(tmp_path / "none")))


def test_a_taken_port_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot listen"):
            server.listen(ServeConfig(port=taken.getsockname()[1]))


def test_the_address_is_shown_as_a_browser_takes_it():
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("localhost", "127.0.0.1")):
        serve = ServeConfig(host=host, port=0)
        with server.listen(serve) as bound:
            assert server.url(serve, bound) == f"http://{shown}:{bound.getsockname()[1]}/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "example.org"},
        {"port": 70000},
        {"hosts": ["a/b"]},
        {"image_side": 0},
        {"video_mib": 0},
        {"queue": -1},
        {"idle_seconds": 0.0},
        {"result_seconds": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    check_serve(ServeConfig())
    with pytest.raises(InputError, match=next(iter(wrong))):
        check_serve(ServeConfig(**wrong))


def test_the_documents_name_the_limits_as_they_are():
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `serve.")]
    assert len(rows) >= 6
    for keys, values in rows:
        names = re.findall(r"serve\.(\w+)", keys)
        shown = [float(value) for value in values.split(",")]
        assert shown == [getattr(ServeConfig(), name) for name in names]
