"""A short look at this machine's throughput, for a client of the service."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from pipersr_build import machine
from pipersr_build.benchmark.packages import Task, tasks
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config.bench import BenchConfig
from pipersr_build.errors import InterruptedRunError
from pipersr_build.export.sizes import parse_sizes
from pipersr_build.service.engine import Step, Told

SETTINGS = BenchConfig()
_COUNT = 2 + len(parse_sizes(SETTINGS.video))
_ROUNDS = {True: 3, False: 20}  # by `quick`


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
        rows = [_row(task, _work(task, sessions), rounds, begin, end) for task in tasks(upscalers, SETTINGS)]
    return {
        "engine": upscalers.pictures.backend.name,
        "scale": upscalers.scale,
        "rounds": rounds,
        "rows": rows,
        "machine": machine.describe().model_dump(),
    }


def _row(
    task: Task, work: Callable[[], object], rounds: int, begin: Callable[[], None], end: Callable[[], None]
) -> dict[str, Any]:
    seconds = []
    for _ in range(rounds + 1):
        begin()
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
        end()
    median = statistics.median(seconds[1:])
    return {
        "name": task.name,
        "input": f"{task.width}x{task.height}",
        "milliseconds": round(1000 * median, 3),
        "per_second": round(1 / median, 3),
    }


def _work(task: Task, sessions: ExitStack) -> Callable[[], object]:
    """What is timed; a frame's session is closed with `sessions`."""
    if not task.frames:
        return partial(task.upscaler.upscale, task.picture)
    session = sessions.enter_context(task.upscaler.frames_session(task.height, task.width))
    return partial(session.upscale, task.picture)
