"""Frames over a web socket, with a real client."""

import asyncio
import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from pipersr_build.service import stream
from pipersr_build.service.probes import check_size
from pipersr_build.service.refusals import Refusal
from tests.unit.service.service_fakes import Repeater, doubled, png, serving, wait_for
from tests.unit.service.slow_client import open_stream, send_frames


def gray_of_16_bits(height, width):
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), 20000, np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def engine():
    return Repeater()


@pytest.fixture(scope="module")
def address(tmp_path_factory, engine):
    with serving(tmp_path_factory.mktemp("stream"), engine, video_side=64) as url:
        yield url.replace("http", "ws") + "/v1/stream"


def said(socket, **wish):
    socket.send(json.dumps(wish))
    return json.loads(socket.recv(timeout=30))


@pytest.fixture
def socket(address, engine):
    with connect(address) as opened:
        yield opened
    wait_for(lambda: engine.sessions == 0)


def test_raw_frames_in_one_session(socket, engine):
    answer = said(socket, width=4, height=5, format="rgb8")
    assert answer == {"ready": True, "width": 8, "height": 10, "scale": 2, "format": "rgb8"}
    for seed in range(3):
        _, rgb = png(5, 4, seed)
        socket.send(rgb.tobytes())
        frame = np.frombuffer(socket.recv(timeout=30), np.uint8).reshape(10, 8, 3)
        np.testing.assert_array_equal(frame, doubled(rgb))
        assert engine.sessions == 1


def test_encoded_frames(socket):
    said(socket, width=4, height=5, format="png")
    data, rgb = png(5, 4)
    socket.send(data)
    with Image.open(io.BytesIO(socket.recv(timeout=30))) as image:
        np.testing.assert_array_equal(np.asarray(image), doubled(rgb))


@pytest.mark.parametrize(
    ("first", "frame", "code"),
    [
        ("nonsense", None, 1008),
        ("[1, 2]", None, 1008),
        ('{"width": 4}', None, 1008),
        ('{"width": 0, "height": 5}', None, 1008),
        ('{"width": true, "height": 5}', None, 1008),
        ('{"width": 4, "height": 5, "format": "gif"}', None, 1008),
        ('{"width": 33, "height": 5}', None, 1009),
        ('{"width": 13, "height": 5}', None, 1008),
        (b"binary", None, 1008),
        ('{"width": 4, "height": 5}' + " " * 1000, None, 1008),  # too long to be parsed
        ('{"width": 4, "height": 5}', b"short", 1008),
        ('{"width": 4, "height": 5}', "text", 1008),
        ('{"width": 4, "height": 5, "format": "png"}', b"no png", 1008),
        ('{"width": 4, "height": 6, "format": "png"}', png(5, 4)[0], 1008),
        ('{"width": 4, "height": 5, "format": "png"}', gray_of_16_bits(5, 4), 1008),
    ],
)
def test_what_is_not_understood_ends_the_stream_with_a_reason(socket, first, frame, code):
    socket.send(first)
    if frame is not None:
        assert json.loads(socket.recv(timeout=30))["ready"]
        socket.send(frame)
    assert json.loads(socket.recv(timeout=30))["error"]
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=30)
    assert closed.value.rcvd.code == code


def test_a_second_stream_is_told_to_come_later(socket, address):
    said(socket, width=4, height=5)
    with connect(address) as second:
        assert json.loads(second.recv(timeout=30))["status"] == 429
        with pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=30)
    assert closed.value.rcvd.code == 1013


def test_a_message_too_large_ends_the_stream(socket):
    said(socket, width=4, height=5)
    socket.send(bytes(100_000))
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=30)
    assert closed.value.rcvd.code == 1009


def test_pages_of_other_sites_get_no_stream(address):
    with pytest.raises(InvalidStatus) as refused, connect(address, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403


def test_silence_and_tokens(tmp_path):
    token = "a-token-that-is-long-enough"
    with serving(tmp_path, token=token, idle_seconds=1) as site:
        where = site.replace("http", "ws") + "/v1/stream"
        with pytest.raises(InvalidStatus), connect(where):
            pass
        with connect(where, subprotocols=["pipersr.v1", f"bearer.{token}"]) as socket:
            assert socket.subprotocol == "pipersr.v1"
            assert said(socket, width=4, height=5)["ready"]
            assert json.loads(socket.recv(timeout=30))["status"] == 408
        with connect(where, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
            assert said(socket, width=4, height=5)["ready"]


def test_nothing_is_compressed(socket):
    assert socket.protocol.extensions == []  # though the client offers it


class Half(Repeater):
    """Enlarges 1.5 times: 3 pixels of every 2."""

    scale = 1.5

    def upscale(self, frame):
        height, width = (length * 3 // 2 for length in frame.shape[:2])
        return np.zeros((height, width, 3), np.uint8)


def test_odd_sizes_are_announced_as_they_come(tmp_path):
    with serving(tmp_path, Half()) as site, connect(site.replace("http", "ws") + "/v1/stream") as socket:
        answer = said(socket, width=5, height=7)
        assert (answer["width"], answer["height"]) == (7, 10)
        socket.send(bytes(5 * 7 * 3))
        assert len(socket.recv(timeout=30)) == 7 * 10 * 3


@pytest.mark.parametrize(("passes", "side"), [(1, 7), (2, 10)])
def test_limits_hold_for_the_size_that_comes(passes, side):
    check_size(5, 3, scale=1.5, passes=passes, side=side, kind="frame")
    with pytest.raises(Refusal, match=f"{side}x"):
        check_size(5, 3, scale=1.5, passes=passes, side=side - 1, kind="frame")


def test_a_client_that_never_reads_is_cut_off(tmp_path, engine):
    with serving(tmp_path, engine, idle_seconds=0.5, video_side=1024) as site, open_stream(site, 512) as slow:
        with pytest.raises(ConnectionError):  # cut, not only closed: what it did not take is gone
            send_frames(slow, 512, 100)
        wait_for(lambda: not httpx.get(f"{site}/health").json()["stream_busy"])


def test_a_frame_must_be_taken_in_time():
    async def late():
        await stream._taken(asyncio.sleep(10), 0.01)

    with pytest.raises(Refusal, match="taken") as refused:
        asyncio.run(late())
    assert refused.value.status == 408
