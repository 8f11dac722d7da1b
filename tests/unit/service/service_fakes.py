"""An engine that only repeats pixels, and a live server around it."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipersr_build.config.serve import ServeConfig
from pipersr_build.errors import InputError
from pipersr_build.service.app import create_app
from pipersr_build.service.engine import Step, VideoDone
from pipersr_build.service.server import listen, make_server


def doubled(array):
    return array.repeat(2, 0).repeat(2, 1)


class Repeater:
    """Enlarges by repeating; a `hold` that is set by the test keeps its jobs at work."""

    scale, name = 2, "a fake"

    def __init__(self):
        self.release = threading.Event()
        self.release.set()
        self.started, self.stopped = threading.Event(), threading.Event()
        self.at_once = self.most_at_once = 0
        self.order, self.sessions = [], 0

    def _work(self, stop):
        self.started.set()
        while not self.release.wait(0.01):
            if stop.is_set():
                self.stopped.set()
                raise InputError("stopped")

    def picture(self, source, target, *, passes, told, stop):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            told(Step(1, 4))
            self._work(stop)
            with Image.open(source) as image:
                rgb = np.asarray(image.convert("RGB"))
            self.order.append(rgb.shape[1])
            for _ in range(passes):
                rgb = doubled(rgb)
            Image.fromarray(rgb).save(target, "PNG")
            return ("a nöte",)
        finally:
            self.at_once -= 1

    def video(self, source, target, *, side, told, stop):
        for frame in range(1, 4):
            told(Step(frame, 3, 10.0, (3 - frame) / 10))
            self._work(stop)
            time.sleep(0.01)
        if b"broken" in source.read_bytes():
            raise InputError("the video has no frame that can be read", where=source, fix="send another")
        target.write_bytes(b"upscaled " + str(side).encode())
        return VideoDone(3, 1, 0.1, ("a note",))

    @contextmanager
    def session(self, height, width):
        if 13 in (height, width):
            raise InputError("no session for 13 pixels")
        self.sessions += 1
        try:
            yield self
        finally:
            self.sessions -= 1

    def upscale(self, frame):
        return doubled(frame)

    def benchmark(self, *, quick, told, stop):
        self._work(stop)
        told(Step(1, 5))
        return {"rows": [{"name": "image tile", "fps": 9.0}], "quick": quick}


@contextmanager
def serving(folder: Path, engine=None, token=None, **settings):
    """A server in a thread; yields its address without a slash at the end."""
    serve = replace(ServeConfig(port=0, temporary=str(folder / "temporary")), **settings)
    bound = listen(serve)
    server = make_server(create_app(serve, engine or Repeater(), token), serve)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def png(height=5, width=4, seed=0):
    """A PNG's bytes and its pixels."""
    import io

    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue(), rgb


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
