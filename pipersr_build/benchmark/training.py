"""A training step of the toolkit against a bare PyTorch loop: same network, batch, type and threads."""

import statistics
import tempfile
import time
from contextlib import nullcontext
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from pipersr_build import models
from pipersr_build.benchmark.record import Figure
from pipersr_build.config import Config, load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.training.run import precision, train

ROUNDS = 5
STEPS = 24
WARM_UP = 4
LIMIT = 1.05


class Clock(Callback):
    """Seconds between the ends of consecutive steps, everything in between included."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        del trainer, pl_module, outputs, batch, batch_idx
        self.ends.append(time.perf_counter())

    @property
    def median(self) -> float:
        """The median step after the warm-up."""
        steps = [later - earlier for earlier, later in zip(self.ends, self.ends[1:], strict=False)]
        return statistics.median(steps[WARM_UP:])


def measure() -> list[Figure]:
    """Median ratio of rounds in turn; ours includes sampling, callbacks and the progress bar."""
    ratios, ours, bare = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            config = load([f"runs={folder}", f"training.steps={STEPS}", "training.validate_every=1000"])
            ours.append(_ours(config))
        bare.append(_bare(config))
        ratios.append(ours[-1] / bare[-1])
    kind = precision(config.training.precision)
    mine, theirs = (statistics.median(times) * 1e3 for times in (ours, bare))
    detail = (
        f"median of {ROUNDS} rounds, {min(ratios):.3f} to {max(ratios):.3f}; "
        f"{mine:.1f} ms against {theirs:.1f} ms, {kind}, {torch.get_num_threads()} threads"
    )
    return [Figure(name="training step / bare PyTorch loop", value=statistics.median(ratios), limit=LIMIT,
                   unit="x", detail=detail)]  # fmt: skip


def _ours(config: Config) -> float:
    clock = Clock()
    train(config, photos_corpus(), score=lambda _: 0.0, callbacks=[clock])
    return clock.median


def _bare(config: Config) -> float:
    """The shortest loop that does the same arithmetic, on one batch in memory."""
    torch.manual_seed(0)
    settings = config.training
    network = models.build(config.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    lr = torch.rand(settings.batch, 3, settings.patch, settings.patch).to(memory_format=torch.channels_last)
    hr = torch.rand(settings.batch, 3, settings.patch * 2, settings.patch * 2)
    half = precision(settings.precision) == "bf16"
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            sr = network(lr)
        torch.nn.functional.l1_loss(sr.float(), hr).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_gradient)
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_UP:])
