"""A short look at this machine's throughput, for a client of the service."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pipersr_build import machine
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.errors import InterruptedRunError
from pipersr_build.export.sizes import NAMED
from pipersr_build.service.engine import Step, Told

MEGAPIXEL = (1024, 1024)
_FRAMES = ("360p", "480p", "540p")
_COUNT = 2 + len(_FRAMES)
_ROUNDS = {True: 3, False: 20}  # by `quick`


@dataclass(frozen=True)
class Configuration:
    """What is timed: its name, its size in LR pixels, and the call."""

    name: str
    height: int
    width: int
    work: Callable[[], object]


def measure(upscalers: Upscalers, *, quick: bool, told: Told, stop: threading.Event) -> dict[str, Any]:
    """Time an image tile, a picture of one megapixel in tiles, and frames of 360p, 480p and 540p.

    Args:
        upscalers: the packages; not at other work.
        quick: three rounds of each instead of 20, after one to warm up.
        told: called after every round.
        stop: looked at before every round.

    Returns:
        The machine, and for each configuration the median time in milliseconds and its pictures per second.

    Raises:
        InterruptedRunError: it was stopped.
    """
    rounds = _ROUNDS[quick]
    steps = itertools.count(1)

    def begin() -> None:
        if stop.is_set():
            raise InterruptedRunError("the benchmark was stopped")

    def end() -> None:
        told(Step(next(steps), _COUNT * (rounds + 1)))

    with ExitStack() as sessions:
        rows = [_row(each, rounds, begin, end) for each in configurations(upscalers, sessions)]
    return {
        "engine": upscalers.pictures.backend.name,
        "scale": upscalers.scale,
        "rounds": rounds,
        "rows": rows,
        "machine": machine.describe().model_dump(),
    }


def _row(
    configuration: Configuration, rounds: int, begin: Callable[[], None], end: Callable[[], None]
) -> dict[str, Any]:
    seconds = []
    for _ in range(rounds + 1):
        begin()
        began = time.perf_counter()
        configuration.work()
        seconds.append(time.perf_counter() - began)
        end()
    median = statistics.median(seconds[1:])
    return {
        "name": configuration.name,
        "input": f"{configuration.width}x{configuration.height}",
        "milliseconds": round(1000 * median, 3),
        "per_second": round(1 / median, 3),
    }


def configurations(upscalers: Upscalers, sessions: ExitStack) -> Iterator[Configuration]:
    """The five; a session is opened when its turn comes, and closed with `sessions`."""
    pictures = upscalers.pictures
    for name, (height, width) in (("image tile", pictures.tile), ("image 1 Mpx, tiled", MEGAPIXEL)):
        picture = _noise(height, width)
        yield Configuration(name, height, width, partial(pictures.upscale, picture))
    for name in _FRAMES:
        height, width = NAMED[name]
        session = sessions.enter_context(upscalers.session(height, width))
        yield Configuration(f"video {name}", height, width, partial(session.upscale, _noise(height, width)))


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
