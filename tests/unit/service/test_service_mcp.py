"""The tools, called by the protocol's own client: over standard input and output, and in this process."""

import asyncio
import base64
import io
import json
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

from pipersr_build.config.serve import ServeConfig
from pipersr_build.service.engine import VideoDone
from pipersr_build.service.mcp_server import make_mcp_server
from tests.conftest import ROOT
from tests.unit.service.service_fakes import Repeater, doubled, png, wait_for

MP4 = b"\0\0\0\x18ftypisom" + bytes(100)


def in_base64(data):
    return base64.b64encode(data).decode()


@asynccontextmanager
async def client(tmp_path, engine=None, **settings):
    place = tmp_path / "place"
    place.mkdir(exist_ok=True)
    server = make_mcp_server(ServeConfig(image_side=64, image_mib=1, **settings), engine or Repeater(), place)
    async with Client(server, raise_exceptions=False) as connected:
        yield connected
    assert not list(place.iterdir())


def call(tmp_path, tool, arguments, engine=None, told=None):
    async def calling():
        async def progress(done, total, _message):
            if told is not None:
                told.append((done, total))

        async with client(tmp_path, engine) as connected:
            return await connected.call_tool(tool, arguments, progress_callback=progress)

    return asyncio.run(calling())


def test_a_session_over_standard_input_and_output(tmp_path):
    async def session():
        words = ["-m", "tests.unit.service.mcp_fake_server", str(tmp_path)]
        server = StdioServerParameters(command=sys.executable, args=words, cwd=ROOT)
        data, rgb = png()
        (tmp_path / "clip.mov").write_bytes(MP4)
        told = []

        async def progress(done, total, _message):
            told.append((done, total))

        async with Client(server) as connected:
            tools = (await connected.list_tools()).tools
            image = await connected.call_tool("image_upscale", {"image": in_base64(data)})
            video = await connected.call_tool(
                "video_upscale", {"path": str(tmp_path / "clip.mov")}, progress_callback=progress
            )
            bench = await connected.call_tool("benchmark_upscale", {})
        return tools, image, video, bench, told, rgb

    tools, image, video, bench, told, rgb = asyncio.run(session())
    assert {tool.name for tool in tools} == {"image_upscale", "video_upscale", "benchmark_upscale"}
    assert all(tool.description for tool in tools)
    with Image.open(io.BytesIO(base64.b64decode(image.content[0].data))) as shown:
        assert shown.format == "PNG"
        np.testing.assert_array_equal(np.asarray(shown), doubled(rgb))
    done = json.loads(video.content[0].text)
    assert (tmp_path / "clip_upscaled.mp4").read_bytes().startswith(b"upscaled")
    assert done["path"] == str(tmp_path / "clip_upscaled.mp4")
    assert done["frames"] == 3
    assert told[-1] == (3, 3)
    assert json.loads(bench.content[0].text)["rows"]


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "\n", "data:image/png;base64,\r\n "])
def test_two_passes_and_notes(tmp_path, prefix):
    data, rgb = png()
    answer = call(tmp_path, "image_upscale", {"image": prefix + in_base64(data), "passes": 2})
    with Image.open(io.BytesIO(base64.b64decode(answer.content[0].data))) as shown:
        np.testing.assert_array_equal(np.asarray(shown), doubled(doubled(rgb)))
    assert answer.content[1].text == "a nöte"


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("image_upscale", {"image": "no base 64!"}, "base64"),
        ("image_upscale", {"image": in_base64(b"GIF89a")}, "not a picture"),
        ("image_upscale", {"image": in_base64(png(40, 4)[0])}, "8x80"),
        ("image_upscale", {"image": "A" * 2**21}, "larger than 1 MiB"),
        ("image_upscale", {"image": in_base64(png()[0]), "passes": 3}, "passes"),
        ("video_upscale", {"path": "none.mp4"}, "no file"),
        ("video_upscale", {"path": "."}, "no file"),
        ("video_upscale", {"path": "/dev/zero"}, "no file"),
        ("video_upscale", {"path": "~nobody-of-that-name/clip.mp4"}, "no home"),
        ("video_upscale", {"path": "clip\0.mp4"}, "no file"),
        ("video_upscale", {"path": "x" * 5000}, "is no path"),
        ("video_upscale", {"path": "list.mp4"}, "not a video"),
        ("video_upscale", {"path": "clip.mp4", "output": "out.mkv"}, ".mp4"),
        ("video_upscale", {"path": "clip.mp4", "output": "none/out.mp4"}, "no folder"),
        ("video_upscale", {"path": "clip.mp4", "output": "list.mp4"}, "there already"),
        ("video_upscale", {"path": "clip.mp4", "output": "clip.mp4", "overwrite": True}, "itself"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, tool, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(MP4)
    (tmp_path / "list.mp4").write_bytes(b"#EXTM3U\n/etc/passwd\n")
    answer = call(tmp_path, tool, arguments)
    assert answer.is_error
    assert says in answer.content[0].text
    assert (tmp_path / "clip.mp4").read_bytes() == MP4


def test_a_cancelled_video_leaves_nothing(tmp_path):
    engine = Repeater()
    engine.release.clear()
    (tmp_path / "clip.mp4").write_bytes(MP4)

    async def leaving():
        async with client(tmp_path, engine) as connected:
            await leave(connected, engine, path=str(tmp_path / "clip.mp4"))
            assert await asyncio.to_thread(engine.stopped.wait, 30)
            engine.release.set()
            return await connected.call_tool("video_upscale", {"path": str(tmp_path / "clip.mp4")})

    assert not asyncio.run(leaving()).is_error
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "clip_upscaled.mp4", "place"}


class Slow(Repeater):
    """Is slow to notice that it is to stop, and leaves the part of the video that it has."""

    def __init__(self):
        super().__init__()
        self.watch = threading.Lock()

    def video(self, source, target, *, stop, **_more):
        with self.watch:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.started.set()
            target.write_bytes(b"part of " + source.name.encode())
            while not self.release.wait(0.01) and not stop.is_set():
                pass
            if stop.is_set():
                self.release.set()
                time.sleep(0.3)
            target.write_bytes(target.read_bytes().replace(b"part of", b"from"))
            return VideoDone(1, 0, 0.1)
        finally:
            with self.watch:
                self.at_once -= 1


def clips(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes(MP4)
    return [str(tmp_path / name) for name in names]


async def leave(connected, engine, **arguments):
    """Call for a video, and cancel once it is at work."""
    async with anyio.create_task_group() as group:
        group.start_soon(connected.call_tool, "video_upscale", arguments)
        assert await asyncio.to_thread(engine.started.wait, 30)
        group.cancel_scope.cancel()


def test_the_turn_ends_with_the_work_not_with_the_waiting(tmp_path):
    engine = Slow()
    engine.release.clear()
    first, second = clips(tmp_path, "a.mp4", "b.mp4")

    async def calling():
        async with client(tmp_path, engine) as connected:
            await leave(connected, engine, path=first)
            return await connected.call_tool("video_upscale", {"path": second})

    assert not asyncio.run(calling()).is_error
    assert engine.most_at_once == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4", "b_upscaled.mp4", "place"}


def test_calls_take_turns(tmp_path):
    engine = Slow()
    engine.release.clear()
    answers = []

    async def calling():
        async with client(tmp_path, engine) as connected, anyio.create_task_group() as group:

            async def one(path):
                answers.append(await connected.call_tool("video_upscale", {"path": path}))

            for path in clips(tmp_path, "a.mp4", "b.mp4", "c.mp4"):
                group.start_soon(one, path)
            await anyio.sleep(0.3)
            engine.release.set()

    asyncio.run(calling())
    assert [answer.is_error for answer in answers] == [False] * 3
    assert engine.most_at_once == 1


@pytest.mark.parametrize("seconds", [60.0, 0.2])
def test_what_was_there_stays_when_its_successor_is_stopped(tmp_path, seconds):
    engine = Slow()
    engine.release.clear()
    (path,) = clips(tmp_path, "a.mp4")
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    arguments = {"path": path, "output": str(target), "overwrite": True}

    async def calling():
        async with client(tmp_path, engine, video_seconds=seconds) as connected:
            if seconds > 1:
                await leave(connected, engine, **arguments)
            else:
                answer = await connected.call_tool("video_upscale", arguments)
                assert "longer than 0.2 s" in answer.content[0].text
            await asyncio.to_thread(wait_for, lambda: not engine.at_once)
            await asyncio.to_thread(wait_for, lambda: not list(tmp_path.glob(".*")))
            stopped = target.read_bytes()
            while (await connected.call_tool("video_upscale", arguments)).is_error:
                pass  # a loaded machine may need more than 0.2 s
            return stopped

    assert asyncio.run(calling()) == b"precious"
    assert target.read_bytes() == b"from a.mp4"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "out.mp4", "place"}


def test_two_calls_do_not_write_over_each_other(tmp_path):
    engine, target, answers = Slow(), tmp_path / "out.mp4", {}

    async def calling():
        async with client(tmp_path, engine) as connected, anyio.create_task_group() as group:

            async def one(path):
                arguments = {"path": path, "output": str(target)}
                answers[Path(path).name] = await connected.call_tool("video_upscale", arguments)

            for path in clips(tmp_path, "a.mp4", "b.mp4"):
                group.start_soon(one, path)

    asyncio.run(calling())
    wrote = [name for name, answer in answers.items() if not answer.is_error]
    refused = [answer.content[0].text for answer in answers.values() if answer.is_error]
    assert len(wrote) == 1
    assert "there already" in refused[0]
    assert target.read_bytes() == b"from " + wrote[0].encode()


def test_a_file_that_comes_meanwhile_is_not_replaced(tmp_path):
    engine, target = Slow(), tmp_path / "out.mp4"
    engine.release.clear()
    (path,) = clips(tmp_path, "a.mp4")

    async def calling():
        async with client(tmp_path, engine) as connected:

            async def meanwhile():
                assert await asyncio.to_thread(engine.started.wait, 30)
                target.write_bytes(b"precious")
                engine.release.set()

            async with anyio.create_task_group() as group:
                group.start_soon(meanwhile)
                return await connected.call_tool("video_upscale", {"path": path, "output": str(target)})

    assert "there already" in asyncio.run(calling()).content[0].text
    assert target.read_bytes() == b"precious"
