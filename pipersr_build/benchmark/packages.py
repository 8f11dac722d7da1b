"""`bench packages`: how fast packages are for a person: pictures and frames, from 8-bit RGB to 8-bit RGB.

Five configurations: a tile, a picture of a megapixel by tiles, and frames of 360p, 480p and 540p; on a Mac
with each setting of Core ML's compute units, elsewhere with the MIL interpreter.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from pipersr_build import files, machine
from pipersr_build.benchmark import loading
from pipersr_build.benchmark.packages_record import Load, NotMeasured, Packages, Row, Times
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config import Config
from pipersr_build.config.bench import BenchConfig
from pipersr_build.config.upscale import UpscaleConfig
from pipersr_build.export.sizes import parse_size, parse_sizes
from pipersr_build.mil.package import Interface, open_package
from pipersr_build.progress import Bar, bar, say
from pipersr_build.runtime.backends import Backend, Choice
from pipersr_build.runtime.pipeline import FrameSession
from pipersr_build.runtime.upscaler import Upscaler

ROUNDS = {"coreml": (100, 10), "interpreter": (5, 1)}  # iterations and warm-up where none are given


@dataclass(frozen=True)
class Engine:
    """A back end, and the compute units that it may use if it is Core ML."""

    choice: Choice
    compute_units: str

    @property
    def rounds(self) -> tuple[int, int]:
        """How often is timed, and how often before that, where nothing is said."""
        return ROUNDS[self.choice]


@dataclass(frozen=True)
class Task:
    """One configuration: a picture of height, width and what enlarges it; as a frame if `frames`."""

    name: str
    height: int
    width: int
    upscaler: Upscaler
    frames: bool = False

    @property
    def picture(self) -> np.ndarray:
        """Noise; what is in a picture does not change the time that it takes."""
        generator = np.random.default_rng(0)
        return generator.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Found:
    """What was timed: seconds of each picture, mean milliseconds of each stage, pictures a second."""

    seconds: list[float]
    stages: dict[str, float]
    per_second: float


class TimedBackend:
    """A back end that adds up how long it ran, in `seconds`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.seconds = 0.0
        self.name: str = backend.name
        self.interface: Interface = backend.interface

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Backend`."""
        started = time.perf_counter()
        made = self._backend.run(inputs)
        self.seconds += time.perf_counter() - started
        return made


def measure(config: Config, command: str, on_a_mac: str) -> Packages:
    """Time every configuration on every engine of this machine.

    Args:
        config: with the settings `bench` and, of `upscale`, the package and the back end.
        command: what the user typed.
        on_a_mac: the command that measures there what this machine cannot.

    Raises:
        InputError: the packages cannot be used.
        MachineError: Core ML is asked for off a Mac.
        BuildError: a package does not load in a fresh process.
    """
    import torch

    load_average = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    found = engines(config.upscale, config.bench)
    rows = [row for engine in found for row in _rows(config, engine)]
    absent = () if found[0].choice == "coreml" else config.bench.compute_units
    return Packages(
        provenance=machine.provenance(command),
        threads=torch.get_num_threads(),
        load_average=load_average,
        rows=rows,
        not_measured=[NotMeasured(engine=f"Core ML, {units}", command=on_a_mac) for units in absent],
    )


def engines(upscale: UpscaleConfig, bench: BenchConfig) -> list[Engine]:
    """The interpreter, or Core ML with each of the compute units."""
    by_interpreter = upscale.backend == "auto" and sys.platform != "darwin"
    if by_interpreter or upscale.backend == "interpreter":
        return [Engine("interpreter", upscale.compute_units)]
    return [Engine("coreml", units) for units in bench.compute_units]


def tasks(upscalers: Upscalers, bench: BenchConfig) -> Iterator[Task]:
    """The configurations; a package is opened when its turn comes."""
    pictures, picture = upscalers.pictures, parse_size(bench.picture)
    megapixels = picture.height * picture.width / 1e6
    yield Task("image tile", *pictures.tile, pictures)
    yield Task(f"image {megapixels:.2g} Mpx", picture.height, picture.width, pictures)
    for size in parse_sizes(bench.video):
        upscaler = upscalers.frames(size.height, size.width)
        yield Task(f"video {size.label}", size.height, size.width, upscaler, frames=True)


def _rows(config: Config, engine: Engine) -> Iterator[Row]:
    settings = replace(config.upscale, backend=engine.choice, compute_units=engine.compute_units)
    iterations, warm_up = _often(config.bench, engine)
    load = cache(partial(_load, engine))
    for task in tasks(Upscalers(settings, config.exports), config.bench):
        rounds = warm_up + (2 if task.frames else 1) * iterations
        with bar(f"{task.name}, {task.upscaler.backend.name}", rounds) as shown:
            found = (_time_frames if task.frames else _time_picture)(task, iterations, warm_up, shown)
        yield _row(task, found, warm_up, load(task.upscaler.path))


def _often(bench: BenchConfig, engine: Engine) -> tuple[int, int]:
    iterations, warm_up = engine.rounds
    given = bench.iterations, bench.warm_up
    return iterations if given[0] is None else given[0], warm_up if given[1] is None else given[1]


def _load(engine: Engine, package: Path) -> Load:
    say(f"loading {package.name} twice in a fresh process …")
    return loading.measure(package, engine.choice, engine.compute_units)


def _row(task: Task, found: Found, warm_up: int, load: Load) -> Row:
    package = task.upscaler.path
    return Row(
        configuration=task.name,
        engine=task.upscaler.backend.name,
        package=package.name,
        package_sha256=files.sha256(package),
        input=f"{task.width}x{task.height}",
        tiles=task.upscaler.tiles(task.picture),
        warm_up=warm_up,
        iterations=len(found.seconds),
        times=Times.of(found.seconds),
        stages={name: round(value, 4) for name, value in found.stages.items()},
        per_second=round(found.per_second, 4),
        load=load,
    )


def _time_picture(task: Task, iterations: int, warm_up: int, shown: Bar) -> Found:
    """A picture as `upscale` enlarges it; what is not prediction is cutting tiles and joining results."""
    backend = TimedBackend(task.upscaler.backend)
    upscaler, picture = Upscaler(open_package(task.upscaler.path), backend), task.picture
    work = partial(upscaler.upscale, picture)
    _seconds(work, warm_up, shown)
    backend.seconds = 0.0
    seconds = _seconds(work, iterations, shown)
    total, predicted = (1e3 * value / iterations for value in (sum(seconds), backend.seconds))
    return Found(
        seconds, {"predict": predicted, "cut and join": total - predicted}, iterations / sum(seconds)
    )


def _time_frames(task: Task, iterations: int, warm_up: int, shown: Bar) -> Found:
    """Frames one by one, for their times and stages; then as a pipeline, for what it sustains."""
    frame = task.picture
    with task.upscaler.frames_session(task.height, task.width) as session:
        work = partial(session.upscale, frame)
        _seconds(work, warm_up, shown)
        before = _stage_seconds(session)
        seconds = _seconds(work, iterations, shown)
        after = _stage_seconds(session)
        rate = _sustained(session, frame, iterations, shown)
    stages = {name: 1e3 * (after[name] - before[name]) / iterations for name in after}
    return Found(seconds, stages, rate)


def _stage_seconds(session: FrameSession) -> dict[str, float]:
    """Of the stages that a single frame goes through."""
    return {name: stage.seconds for name, stage in session.stages.items() if name != "read"}


def _sustained(session: FrameSession, frame: np.ndarray, frames: int, shown: Bar) -> float:
    """Frames a second from the first result on."""
    times = []
    for _ in session.run(itertools.repeat(frame, frames + 1)):
        times.append(time.perf_counter())
        if len(times) > 1:
            shown.advance()
    return frames / (times[-1] - times[0])


def _seconds(work: Callable[[], object], rounds: int, shown: Bar) -> list[float]:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
        shown.advance()
    return taken
