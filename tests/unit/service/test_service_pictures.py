"""Pictures over HTTP, with a real client and a real server."""

import io
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from pipersr_build.errors import TooLargeError
from pipersr_build.runtime.tiff16 import write_tiff16
from pipersr_build.service import refusals
from pipersr_build.service.probes import check_picture
from pipersr_build.service.refusals import Refusal
from tests.unit.service.service_fakes import Repeater, doubled, png, serving, wait_for


@pytest.fixture
def engine():
    return Repeater()


@pytest.fixture
def site(tmp_path, engine):
    with serving(tmp_path, engine, image_mib=1, image_side=64, queue=3) as url:
        yield url


def send(site, data, **more):
    fields = {key: more.pop(key) for key in ("passes", "scale") if key in more}
    name = more.pop("name", "a.png")
    return httpx.post(
        f"{site}/v1/images/upscale", files={"file": (name, data)}, data=fields, timeout=10, **more
    )


def jobs(tmp_path):
    return list((tmp_path / "temporary").glob("run-*/job-*"))


@pytest.mark.parametrize("passes", [1, 2])
def test_a_picture_comes_back_enlarged_as_png(site, tmp_path, passes):
    data, rgb = png()
    answer = send(site, data, passes=str(passes), name="tree.jpg")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert json.loads(answer.headers["x-notes"]) == ["a nöte"]
    assert 'filename="tree_upscaled.png"' in answer.headers["content-disposition"]
    expected = rgb
    for _ in range(passes):
        expected = doubled(expected)
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), expected)
    wait_for(lambda: not jobs(tmp_path))


def test_requests_queue_run_one_at_a_time_and_in_order(site, engine):
    engine.release.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = []
        for width in range(1, 5):
            answers.append(pool.submit(send, site, png(3, width)[0]))
            wait_for(lambda w=width: httpx.get(f"{site}/health").json()["pictures"] == w)
            if width == 1:
                assert engine.started.wait(30)
        turned_away = send(site, png()[0])
        assert turned_away.status_code == 429
        assert int(turned_away.headers["retry-after"]) > 0
        engine.release.set()
        assert [answer.result().status_code for answer in answers] == [200] * 4
    assert engine.order[0] == 1
    assert sorted(engine.order) == [1, 2, 3, 4]
    assert engine.most_at_once == 1


@pytest.mark.parametrize("waiting", [False, True])
def test_work_stops_when_the_client_leaves(site, engine, tmp_path, waiting):
    engine.release.clear()
    first = threading.Thread(target=lambda: send(site, png()[0])) if waiting else None
    if first:
        first.start()
        assert engine.started.wait(30)
    with begin(site, len(FORM)) as leaving:
        leaving.sendall(FORM)
        wait_for(lambda: httpx.get(f"{site}/health").json()["pictures"] == 1 + waiting)
        assert engine.started.wait(30)
    if waiting:
        wait_for(lambda: httpx.get(f"{site}/health").json()["pictures"] == 1)
        assert not engine.stopped.is_set()  # the one that still waits for its answer goes on
        engine.release.set()
        first.join()
    else:
        assert engine.stopped.wait(30)
        wait_for(lambda: httpx.get(f"{site}/health").json()["pictures"] == 0)
    engine.release.set()
    assert send(site, png()[0]).status_code == 200
    wait_for(lambda: not jobs(tmp_path))


def test_a_job_that_takes_too_long_is_stopped(tmp_path, engine):
    engine.release.clear()
    with serving(tmp_path, engine, image_seconds=0.2) as site:
        answer = send(site, png()[0])
        assert answer.status_code == 504
        assert engine.stopped.is_set()
        engine.release.set()
        wait_for(lambda: send(site, png()[0]).status_code == 200)  # a loaded machine may need several


def test_progress_can_be_asked_for_by_key(site, engine):
    engine.release.clear()
    key = "0123456789abcdef"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, site, png()[0], params={"job": key})
        wait_for(lambda: httpx.get(f"{site}/v1/jobs/{key}").json().get("state") == "working")
        assert httpx.get(f"{site}/v1/jobs/{key}").json() == {"state": "working", "done": 1, "total": 4}
        assert send(site, png()[0], params={"job": key}).status_code == 400  # in use
        engine.release.set()
        assert answer.result().status_code == 200
    assert httpx.get(f"{site}/v1/jobs/{key}").status_code == 404
    assert send(site, png()[0], params={"job": "../x"}).status_code == 400


def bomb(side):
    """A small PNG that announces side x side pixels."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "fields", "status", "says"),
    [
        (b"GIF89a", {}, 415, "not a picture"),
        (b"", {}, 400, "empty"),
        (png(33, 4)[0], {}, 413, "8x66"),
        (png(17, 4)[0], {"passes": "2"}, 413, "16x68"),
        (bomb(20000), {}, 413, "pixels"),
        (png()[0], {"passes": "3"}, 400, "passes"),
        (png()[0], {"passes": "2" * 300}, 400, "too long"),
        (png()[0], {"scale": "4"}, 400, "means nothing"),
        (png()[0], {"passes": ["1", "2"]}, 400, "twice"),
    ],
)
def test_what_cannot_be_used_is_refused(site, tmp_path, data, fields, status, says):
    answer = send(site, data, **fields)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert not jobs(tmp_path)


def test_a_tiff_that_pillow_does_not_know_is_let_in_by_its_size(tmp_path):
    path = tmp_path / "upload"
    with path.open("wb") as file:
        write_tiff16(file, np.zeros((20, 30, 2), np.uint16))
    check_picture(path, scale=2, passes=1, side=60)
    with pytest.raises(Refusal, match="60x40") as told:
        check_picture(path, scale=2, passes=1, side=59)
    assert told.value.status == 413
    path.write_bytes(path.read_bytes()[:8] + b"\xff" * 40)
    with pytest.raises(Refusal, match="known kind"):
        check_picture(path, scale=2, passes=1, side=60)


def test_what_is_found_too_large_later_is_said_like_what_is_seen_at_once(site, engine):
    def refuse(*_words, **_more):
        raise TooLargeError("too many pixels", fix="raise upscale.video.limit")

    engine.picture = refuse
    answer = send(site, png()[0])
    assert answer.status_code == 413
    assert "serve.image_side" in answer.json()["fix"]


def test_a_truncated_picture_is_the_clients_fault(site, engine):
    def truncated(*_words, **_more):
        from pipersr_build.errors import InputError

        raise InputError("the picture breaks off", where="/private/place", fix="send it whole")

    engine.picture = truncated
    answer = send(site, png()[0])
    assert answer.status_code == 422
    assert answer.json() == {"error": "the picture breaks off", "fix": "send it whole"}


def test_a_bug_is_logged_and_not_shown(site, engine, caplog):
    def buggy(*_words, **_more):
        raise ZeroDivisionError("a secret")

    engine.picture = buggy
    answer = send(site, png()[0])
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "a secret" in caplog.text
    assert httpx.get(f"{site}/health").json()["pictures"] == 0


def test_a_full_disk_is_said(site, engine):
    import errno

    def full(*_words, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    engine.picture = full
    assert send(site, png()[0]).status_code == 507


def test_an_upload_is_cut_off_while_it_comes(site, tmp_path, monkeypatch):
    monkeypatch.setattr(refusals, "_LINGER_BYTES", 4 * 2**20)
    sent = []

    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(2000):
            sent.append(1)
            yield bytes(64 * 1024)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        answer = httpx.post(f"{site}/v1/images/upscale", content=endless(), headers=headers, timeout=60)
    except (httpx.WriteError, httpx.RemoteProtocolError):
        pass  # the server hung up, which is as good
    else:
        assert answer.status_code == 413
    assert len(sent) < 1000
    assert not jobs(tmp_path)


def begin(site, length):
    """A connection on which the head of an upload of that length has been sent."""
    host, port = site.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    head = ["POST /v1/images/upscale HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {length}",
            "Content-Type: multipart/form-data; boundary=b", "", ""]  # fmt: skip
    connection.sendall("\r\n".join(head).encode())
    return connection


def test_an_announced_size_is_refused_before_a_byte_is_read(site):
    with begin(site, 2**40) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_slow_upload_is_given_up(tmp_path):
    with serving(tmp_path, idle_seconds=0.5) as site, begin(site, 1000) as connection:
        connection.sendall(b"--b\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{site}/health").json()["pictures"] == 0


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
FORM = HEAD + png()[0] + b"\r\n--b--\r\n"
FILE = HEAD + b"x\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"nonsense", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400),
        ("multipart/form-data; boundary=b", FILE, 400),  # breaks off
        ("multipart/form-data; boundary=b", FILE + FILE + b"--b--\r\n", 400),  # two files
        ("multipart/form-data; boundary=b", FILE.replace(b'"file"', b'"other"') + b"--b--\r\n", 400),
        ("multipart/form-data; boundary=b", FILE.replace(b"form-data", b"f" * 9000) + b"--b--\r\n", 400),
    ],
)
def test_malformed_forms_are_refused(site, kind, body, status):
    answer = httpx.post(f"{site}/v1/images/upscale", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "C:\\x\\..\\y.png", "a\r\nX: b.png", "\0.png", ".."])
def test_names_cannot_play_tricks(site, tmp_path, name):
    answer = send(site, png()[0], name=name)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        shown = answer.headers["content-disposition"]
        assert "/" not in shown.removeprefix("attachment").replace("utf-8''", "")
        assert ".." not in shown
        assert "x" not in answer.headers
    assert {path.name for path in tmp_path.iterdir()} == {"temporary"}
