"""What data and arithmetic cost in a training step: with data against without, bf16 against float32."""

import statistics
import time
from collections.abc import Callable

import torch

from pipersr_build.benchmark.loop import BareLoop
from pipersr_build.benchmark.record import Figure
from pipersr_build.config import Config, load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.data.sampler import PatchSampler

STEPS, WARM_UP = 80, 10
DATA_LIMIT, SPEED_LIMIT = 1.05, 1.5


def measure() -> list[Figure]:
    """Ratios of median steps, taken in turn."""
    config = load([])
    return [_data(config), _arithmetic(config)]


def _data(config: Config) -> Figure:
    """The same step with a fresh batch each time, cut from pictures in memory, and on a fixed batch."""
    settings = config.training
    loop = BareLoop(config)
    sampler = PatchSampler(photos_corpus().train, settings.patch, config.model.scale, settings.batch, 0)
    steps = iter(range(STEPS))
    fresh, fixed = _in_turn(lambda: loop.step(sampler.batch(next(steps))), loop.step)
    return Figure(
        name="training step with data / on a fixed batch",
        value=fresh / fixed,
        limit=DATA_LIMIT,
        unit="x",
        detail=f"{fresh:.1f} ms against {fixed:.1f} ms; {_how(config)}",
    )


def _arithmetic(config: Config) -> Figure:
    """What `training.precision=auto` chooses here against float32 with contiguous tensors."""
    fast, plain = BareLoop(config), BareLoop(config, fast=False)
    ours, theirs = _in_turn(fast.step, plain.step)
    kind = "bf16" if fast.half else "fp32 (no bf16 on this processor)"
    return Figure(
        name="float32 contiguous step / chosen automatically",
        value=theirs / ours,
        limit=SPEED_LIMIT,
        direction="at least",
        unit="x",
        detail=f"{theirs:.1f} ms against {ours:.1f} ms with {kind}, channels_last; {_how(config)}",
    )


def _in_turn(*actions: Callable[[], None]) -> tuple[float, ...]:
    """Median milliseconds of each action; they take turns, so that the machine's moods meet all alike."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(STEPS):
        for action, times in zip(actions, taken, strict=True):
            started = time.perf_counter()
            action()
            times.append(time.perf_counter() - started)
    return tuple(statistics.median(times[WARM_UP:]) * 1e3 for times in taken)


def _how(config: Config) -> str:
    settings = config.training
    return (
        f"medians of {STEPS - WARM_UP} steps each, in turn, "
        f"{settings.batch} x {settings.patch}² patches, {torch.get_num_threads()} threads"
    )
