"""The short benchmark behind the tool, with packages that only count."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from pipersr_build.commands.service_benchmark import measure
from pipersr_build.errors import InterruptedRunError


class Counting:
    scale = 2

    def __init__(self):
        self.seen, self.open = [], 0
        backend = SimpleNamespace(name="a fake")
        self.pictures = SimpleNamespace(tile=(128, 128), backend=backend, upscale=self.upscale)

    def upscale(self, picture):
        self.seen.append(picture.shape[:2])
        time.sleep(0.001)

    def frames(self, *size):
        def session(height, width):
            assert (height, width) == size
            return self.session(height, width)

        return SimpleNamespace(frames_session=session)

    @contextmanager
    def session(self, height, width):
        self.open += 1

        def upscale(frame):
            assert frame.shape == (height, width, 3)
            self.upscale(frame)

        yield SimpleNamespace(upscale=upscale)
        self.open -= 1


def test_five_configurations_are_timed_in_equal_rounds():
    packages, steps = Counting(), []
    record = measure(packages, quick=True, told=steps.append, stop=threading.Event())
    names = ["image tile", "image 1 Mpx", "video 360p", "video 480p", "video 540p"]
    assert [row["name"] for row in record["rows"]] == names
    assert [row["input"] for row in record["rows"]][:3] == ["128x128", "1024x1024", "640x360"]
    assert (
        packages.seen
        == [(128, 128)] * 4 + [(1024, 1024)] * 4 + [(360, 640)] * 4 + [(480, 854)] * 4 + [(540, 960)] * 4
    )
    assert packages.open == 0
    assert [(step.done, step.total) for step in steps] == [(number, 20) for number in range(1, 21)]
    for row in record["rows"]:
        assert row["per_second"] == pytest.approx(1000 / row["milliseconds"], rel=0.01)
    assert record["machine"]


def test_it_stops_between_two_rounds():
    packages, stop = Counting(), threading.Event()

    def told(step):
        if step.done == 2:
            stop.set()

    with pytest.raises(InterruptedRunError):
        measure(packages, quick=True, told=told, stop=stop)
    assert len(packages.seen) == 2
