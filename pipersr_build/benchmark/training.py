"""A training step of the toolkit against a bare PyTorch loop: same network, batch, type and threads."""

import statistics
import tempfile
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from pipersr_build.benchmark.loop import BareLoop
from pipersr_build.benchmark.record import Figure
from pipersr_build.config import load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.training.run import train
from pipersr_build.training.trainer import precision

STEPS = 240
WARM_UP = 40
LIMIT = 1.05


class InTurn(Callback):
    """After each of our steps takes one of each bare loop, so that the machine's moods meet all alike."""

    def __init__(self, *loops: BareLoop) -> None:
        self.loops = loops
        self.ours: list[float] = []
        self.bare: list[list[float]] = [[] for _ in loops]
        self._resumed = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ours ends here; what our other callbacks still do counts for our next step."""
        del trainer, pl_module, outputs, batch, batch_idx
        ended = time.perf_counter()
        self.ours.append(ended - self._resumed)
        for loop, seconds in zip(self.loops, self.bare, strict=True):
            with torch.enable_grad():
                loop.step()
            self._resumed = time.perf_counter()
            seconds.append(self._resumed - ended)
            ended = self._resumed


def measure() -> list[Figure]:
    """Ratio of the median steps; ours includes sampling, callbacks and the progress bar."""
    with tempfile.TemporaryDirectory() as folder:
        config = load([f"runs={folder}", f"training.steps={STEPS}", f"training.validate_every={STEPS}"])
        torch.manual_seed(0)
        turns = InTurn(BareLoop(config, fused=None), BareLoop(config, fused=True))
        train(config, photos_corpus(), score=lambda _: 0.0, callbacks=[turns])
    ours, plain, fused = (statistics.median(s[WARM_UP:]) * 1e3 for s in (turns.ours, *turns.bare))
    how = (
        f"medians of {STEPS - WARM_UP} steps each, in turn, "
        f"{precision(config.training.precision)}, {torch.get_num_threads()} threads"
    )
    return [
        Figure(name=f"training step / bare loop, {optimizer}", value=ours / bare, limit=LIMIT, unit="x",
               detail=f"{ours:.1f} ms against {bare:.1f} ms; {how}")
        for optimizer, bare in (("Adam as it comes", plain), ("our fused Adam", fused))
    ]  # fmt: skip
