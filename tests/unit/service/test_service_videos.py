"""Videos over HTTP: events while it runs, the result once, one at a time."""

import http.client
import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from pipersr_build.service import server
from pipersr_build.service.engine import VideoDone
from tests.unit.service.service_fakes import Repeater, serving, wait_for

MP4 = b"\0\0\0\x18ftypisom" + bytes(100)


@pytest.fixture
def engine():
    return Repeater()


@pytest.fixture
def site(tmp_path, engine):
    with serving(tmp_path, engine, video_mib=1, video_side=64) as url:
        yield url


def events(answer):
    """(name, data) of every event, as they come."""
    name = None
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def sending(site, data=MP4, name="clip.mp4"):
    return httpx.stream("POST", f"{site}/v1/video/upscale", files={"file": (name, data)}, timeout=60)


def free(site):
    return not httpx.get(f"{site}/health").json()["video_busy"]


def test_events_tell_of_it_and_the_result_is_fetched_once(site, tmp_path):
    with sending(site, name="../my clip.mov") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = list(events(answer))
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1)
    assert len(told) > 1
    assert told[0][1]["total"] == 3
    assert set(told[0][1]) == {"done", "total", "per_second", "seconds_left"}
    name, done = told[-1]
    assert name == "done"
    assert done["notes"] == ["a note"]
    assert (done["frames"], done["skipped"], done["bytes"]) == (3, 1, len(b"upscaled 64"))
    first, second = httpx.get(site + done["url"]), httpx.get(site + done["url"])
    assert first.content == b"upscaled 64"
    assert first.headers["content-type"] == "video/mp4"
    assert "my%20clip_upscaled.mp4" in first.headers["content-disposition"].replace("my clip", "my%20clip")
    assert second.status_code == 404
    wait_for(lambda: len(list((tmp_path / "temporary").glob("run-*/*"))) == 1)  # the lock


def test_a_field_that_means_nothing_is_refused(site):
    answer = httpx.post(f"{site}/v1/video/upscale", files={"file": MP4}, data={"scale": "4"})
    assert (answer.status_code, "means nothing" in answer.json()["error"]) == (400, True)
    wait_for(lambda: free(site))


def test_a_second_video_is_turned_away_while_one_runs(site, engine):
    engine.release.clear()
    with sending(site) as answer:
        told = events(answer)
        assert next(told)[0] == "progress"
        second = httpx.post(f"{site}/v1/video/upscale", files={"file": MP4})
        assert second.status_code == 429
        assert int(second.headers["retry-after"]) > 0
        assert httpx.get(f"{site}/health").json()["video_busy"]
        engine.release.set()
        assert [name for name, _ in told][-1] == "done"
    wait_for(lambda: free(site))


def test_the_work_stops_when_the_client_leaves(site, engine, tmp_path):
    engine.release.clear()
    with sending(site) as answer:
        told = events(answer)
        next(told)
        assert not free(site)
    assert engine.stopped.wait(30)
    wait_for(lambda: free(site))
    wait_for(lambda: not list((tmp_path / "temporary").glob("run-*/job-*")))
    engine.release.set()
    with sending(site) as answer:
        assert list(events(answer))[-1][0] == "done"


def test_what_goes_wrong_is_an_event(site):
    with sending(site, MP4 + b"broken") as answer:
        name, data = list(events(answer))[-1]
    assert name == "error"
    assert data == {"error": "the video has no frame that can be read", "fix": "send another", "status": 422}
    wait_for(lambda: free(site))


def test_a_video_that_takes_too_long_is_stopped(tmp_path, engine):
    engine.release.clear()
    with serving(tmp_path, engine, video_seconds=0.2) as site:
        with sending(site) as answer:
            name, data = list(events(answer))[-1]
        assert (name, data["status"]) == ("error", 504)
        assert engine.stopped.is_set()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        (b"\x89PNG", 415),
        (b"", 400),
        (MP4 + bytes(2 * 2**20), 413),
    ],
)
def test_what_is_no_video_is_refused(site, data, status):
    with sending(site, data) as answer:
        assert answer.status_code == status
    assert free(site)


def finished(site):
    """The address of the result of a video."""
    with sending(site) as answer:
        return site + list(events(answer))[-1][1]["url"]


def test_a_result_is_sent_whole_since_it_is_sent_once(site):
    answer = httpx.get(finished(site), headers={"Range": "bytes=0-3"})
    assert answer.status_code == 200
    assert answer.content == b"upscaled 64"
    assert answer.headers["accept-ranges"] == "none"


def test_a_result_that_nobody_takes_is_given_up(tmp_path, engine):
    def large(_source, target, **_more):
        target.write_bytes(bytes(20 * 2**20))
        return VideoDone(1, 0, 0.1)

    engine.video = large
    with serving(tmp_path, engine, idle_seconds=0.5) as site:
        url = urlsplit(finished(site))
        with socket.create_connection((url.hostname, url.port)) as connection:
            connection.sendall(f"GET {url.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_for(lambda: not list((tmp_path / "temporary").glob("run-*/result-*")))


def sent_whole(site, path, size):
    """The status that a client gets who sends all `size` bytes before it reads."""
    url = urlsplit(site)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    with closing(http.client.HTTPConnection(url.hostname, url.port, timeout=60)) as client:
        client.request("POST", path, bytes(size), kind)
        return client.getresponse().status


def test_clients_that_send_all_before_they_read_hear_that_it_is_busy(site, engine):
    engine.release.clear()
    with sending(site) as answer:
        told = events(answer)  # kept: httpx hangs up when it is gone
        next(told)
        assert sent_whole(site, "/v1/video/upscale", 40 * 2**20) == 429
        told.close()


@pytest.mark.parametrize("kind", ["images", "video"])
def test_clients_that_send_all_before_they_read_hear_that_it_is_too_large(tmp_path, kind):
    with serving(tmp_path, image_mib=1, video_mib=1) as site:
        assert sent_whole(site, f"/v1/{kind}/upscale", 40 * 2**20) == 413


def test_a_server_that_is_told_to_stop_stops_the_work(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(server, "_CLOSING_SECONDS", 0.1)
    engine.release.clear()
    with serving(tmp_path, engine) as site:
        client = httpx.Client(timeout=60)
        answer = client.send(
            client.build_request("POST", f"{site}/v1/video/upscale", files={"file": MP4}), stream=True
        )
        told = events(answer)
        next(told)
    assert engine.stopped.is_set()
    assert not list((tmp_path / "temporary").iterdir())
    client.close()
