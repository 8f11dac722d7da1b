"""Who is let in: names, origins, tokens, addresses."""

import contextlib
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pipersr_build.config.serve import ServeConfig, check_serve
from pipersr_build.errors import InputError
from pipersr_build.service import app, server
from tests.conftest import ROOT
from tests.unit.service.service_fakes import Repeater, png, serving, wait_for

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


def test_who_connects_before_the_server_runs_waits_for_it():
    with server.listen(ServeConfig(port=0)) as bound:
        socket.create_connection(bound.getsockname(), timeout=5).close()


def test_of_two_services_that_start_at_once_on_one_port_one_is_told():
    with (
        server.listen(ServeConfig(port=0)) as first,
        pytest.raises(InputError, match="cannot listen"),
    ):
        server.listen(ServeConfig(port=first.getsockname()[1]))


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
    text = (ROOT / "docs" / "how_to" / "service.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `serve.")]
    assert len(rows) >= 6
    for keys, values in rows:
        names = re.findall(r"serve\.(\w+)", keys)
        shown = [float(value) for value in values.split(",")]
        assert shown == [getattr(ServeConfig(), name) for name in names]


def connection_to(site):
    host, port = site.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def cut(connection):
    """Whether the server has hung up on a connection on which it has said nothing."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_silent_connections_keep_nobody_out_and_are_cut(tmp_path):
    with serving(tmp_path, idle_seconds=0.5) as site, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connection_to(site)) for _ in range(100)]
        assert httpx.get(f"{site}/health").status_code == 200
        assert all(cut(connection) for connection in silent)


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_head_that_comes_byte_by_byte_is_not_waited_for(tmp_path, before):
    with serving(tmp_path, idle_seconds=0.8) as site, connection_to(site) as slow:
        if before:
            slow.sendall(before)
            assert slow.recv(10_000).startswith(b"HTTP/1.1 200")
        slow.settimeout(0.1)
        wait_for(lambda: cut_after(slow, b"X"))


def cut_after(connection, more):
    """Whether the server has hung up on a connection on which a little is said."""
    try:
        connection.sendall(more)
        return connection.recv(10_000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_client_with_more_to_say_is_not_cut(tmp_path):
    with serving(tmp_path, idle_seconds=5) as site, connection_to(site) as slow:
        for part in (b"GET /health HTTP/1.1\r\n", b"Host: localhost\r\n\r\n"):
            time.sleep(0.15)
            slow.sendall(part)
        assert slow.recv(10_000).startswith(b"HTTP/1.1 200")


def test_too_many_calls_at_once_are_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "_CALLS", 1)
    engine = Repeater()
    engine.release.clear()
    with serving(tmp_path, engine, token=TOKEN, queue=0) as site, ThreadPoolExecutor(2) as pool:
        # one that is refused does not count, though it is still being read
        large = pool.submit(httpx.post, f"{site}/v1/images/upscale", content=slowly(), timeout=60)
        time.sleep(0.2)
        assert httpx.get(f"{site}/health").status_code == 200
        assert large.result().status_code == 401
        headers, files = {"Authorization": f"Bearer {TOKEN}"}, {"file": png()[0]}
        first = pool.submit(httpx.post, f"{site}/v1/images/upscale", files=files, headers=headers, timeout=60)
        assert engine.started.wait(30)
        second = httpx.get(f"{site}/health")
        assert second.status_code == 503
        assert second.json()["error"]
        assert int(second.headers["retry-after"]) > 0
        engine.release.set()
        assert first.result().status_code == 200
        wait_for(lambda: httpx.get(f"{site}/health").status_code == 200)  # a call ends after its answer


def slowly():
    for _ in range(8):
        yield bytes(1000)
        time.sleep(0.1)


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/v1/images/upscale", 405), ("/docs", 404)])
def test_the_routers_answers_are_like_the_others(site, path, status):
    answer = httpx.get(f"{site}{path}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "fix"}
    assert (answer.headers.get("allow") == "POST") == (status == 405)
