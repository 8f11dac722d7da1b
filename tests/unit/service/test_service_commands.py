"""The commands with real packages: every kind of client, end to end."""

import asyncio
import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import av
import httpx
import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from PIL import Image
from websockets.sync.client import connect

from pipersr_build import cli
from pipersr_build.runtime.upscaler import Upscaler
from tests.unit.service.service_fakes import png


@contextmanager
def process(tmp_path, *words):
    """`pipersr-build serve` in a process of its own; yields its address and the process."""
    command = [sys.executable, "-m", "pipersr_build", "serve", "port=0", *words]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"}
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            said = running.stderr.readline()
            yield re.search(r"http://\S+(?=/)", said)[0], running
        finally:
            running.send_signal(signal.SIGINT)
            rest = running.stderr.read()
            assert running.wait(30) == 130, rest
            assert "Traceback" not in rest


def clip(path, frames=3, height=20, width=34):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, width=width, height=height, pix_fmt="yuv420p")
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 60 * number, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_real_service_answers_every_kind_of_client(tmp_path, tiny):
    data, rgb = png(30, 27)
    expected = Upscaler.from_package(tiny.image, backend="interpreter")(rgb)
    clip(tmp_path / "clip.mp4")
    with process(tmp_path, f"package={tiny.image.parent}") as (site, _):
        health = httpx.get(f"{site}/health", timeout=60).json()
        assert (health["scale"], health["status"]) == (2, "ok")
        assert "interpreter" in health["engine"].lower() or sys.platform == "darwin"
        answer = httpx.post(f"{site}/v1/images/upscale", files={"file": ("a.png", data)}, timeout=60)
        with Image.open(io.BytesIO(answer.content)) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)
        with (tmp_path / "clip.mp4").open("rb") as file:
            told = httpx.post(f"{site}/v1/video/upscale", files={"file": file}, timeout=60).text
        last = json.loads(told.strip().rpartition("data: ")[2])
        assert last["frames"] == 3
        (tmp_path / "out.mp4").write_bytes(httpx.get(site + last["url"], timeout=60).content)
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(68, 40)] * 3
        with connect(site.replace("http", "ws") + "/v1/stream") as socket:
            socket.send(json.dumps({"width": 34, "height": 20}))
            assert json.loads(socket.recv(timeout=30))["ready"]
            for _ in range(2):
                socket.send(bytes(34 * 20 * 3))
                assert len(socket.recv(timeout=30)) == 4 * 34 * 20 * 3
    assert not list((tmp_path / "cache").rglob("run-*"))


def test_a_real_mcp_server_answers(tmp_path, tiny):
    data, rgb = png(10, 9)
    clip(tmp_path / "clip.mp4")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ["-m", "pipersr_build", "mcp", f"package={tiny.image.parent}"]
    server = StdioServerParameters(command=sys.executable, args=words, env=environment, cwd=tmp_path)

    async def session():
        async with Client(server) as client:
            image = await client.call_tool("image_upscale", {"image": base64.b64encode(data).decode()})
            video = await client.call_tool("video_upscale", {"path": "clip.mp4"})
            return image, video

    image, video = asyncio.run(session())
    with Image.open(io.BytesIO(base64.b64decode(image.content[0].data))) as shown:
        expected = Upscaler.from_package(tiny.image, backend="interpreter")(rgb)
        np.testing.assert_array_equal(np.asarray(shown), expected)
    assert json.loads(video.content[0].text)["frames"] == 3
    assert (tmp_path / "clip_upscaled.mp4").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serve", "host=0.0.0.0"], "needs a token"),
        (["serve", "host=example.org"], "serve.host"),
        (["serve", "port=0", "serve.temporary=file/x"], "a file stands where a folder is needed"),
        (["mcp", "serve.temporary=file/x"], "a file stands where a folder is needed"),
        (["serve", "port=99999"], "serve.port"),
        (["serve", "port=0", "package=none.mlpackage"], "none.mlpackage"),
        (["serve", "nonsense"], "key=value"),
        (["mcp", "package=none.mlpackage"], "none.mlpackage"),
    ],
)
def test_bad_settings_are_one_message(words, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIPERSR_BUILD_TOKEN", raising=False)
    (tmp_path / "file").touch()
    assert cli.main(words) == 2
    assert says in capsys.readouterr().err


def test_the_missing_extra_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert cli.main(["serve"]) == 3
    assert "pipersr-build[serve]" in capsys.readouterr().err
