"""What happens around the training steps: curve, validation, checkpoints, Ctrl-C."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from pipersr_build import files
from pipersr_build.evidence import LossPoint, ValidationPoint
from pipersr_build.progress import Bar

Score = Callable[[nn.Module], float]  # PSNR in dB on the held-out pictures


class Curve(Callback):
    """Records loss, held-out PSNR and time; its records are part of the checkpoint."""

    def __init__(self, score: Score, log_every: int, validate_every: int) -> None:
        self.losses: list[LossPoint] = []
        self.scores: list[ValidationPoint] = []
        self._score, self._log_every, self._validate_every = score, log_every, validate_every
        self._sum, self._count = 0.0, 0
        self._before, self._started = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, validation included, over all its legs."""
        return self._before + time.perf_counter() - self._started

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of this leg."""
        del trainer, pl_module
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the step's loss; at the intervals, and at the end, make a point."""
        del batch, batch_idx
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        self._sum, self._count = self._sum + outputs["loss"].item(), self._count + 1
        if step % self._log_every == 0 or last:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            self.losses.append(LossPoint(step=step, loss=self._sum / self._count, learning_rate=rate))
            self._sum, self._count = 0.0, 0
        if step % self._validate_every == 0 or last:
            self.validate(step, module.network)  # type: ignore[arg-type]

    def validate(self, step: int, network: nn.Module) -> None:
        """Score the network as it is after `step` steps."""
        self.scores.append(ValidationPoint(step=step, psnr=self._score(network)))

    def state_dict(self) -> dict[str, Any]:
        """The records as plain data."""
        return {
            "losses": [point.model_dump() for point in self.losses],
            "scores": [point.model_dump() for point in self.scores],
            "sum": self._sum,
            "count": self._count,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the records up again."""
        self.losses = [LossPoint(**point) for point in state_dict["losses"]]
        self.scores = [ValidationPoint(**point) for point in state_dict["scores"]]
        self._sum, self._count = state_dict["sum"], state_dict["count"]
        self._before = state_dict["seconds"]


class ShowProgress(Callback):
    """Advances the bar and shows the latest figures."""

    def __init__(self, bar: Bar, curve: Curve) -> None:
        self._bar, self._curve, self._noted = bar, curve, 0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """One step further."""
        del trainer, module, outputs, batch, batch_idx
        points = len(self._curve.losses)
        self._bar.advance(note=self._note() if points > self._noted else None)
        self._noted = points

    def _note(self) -> str:
        psnr = f"held-out {self._curve.scores[-1].psnr:.2f} dB" if self._curve.scores else ""
        return f"L1 {self._curve.losses[-1].loss:.4f}  {psnr}"


class Checkpoints(Callback):
    """Saves `last.ckpt` at intervals and, after Ctrl-C, at the end of the step that is running.

    A signal in the middle of a step would leave weights that no whole number of steps gives, so the
    first Ctrl-C only asks for a stop. A second one interrupts at once; the checkpoint is then the
    one before.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.interrupted = False
        self._path, self._every = path, every
        self._previous: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for Ctrl-C."""
        del trainer, pl_module
        self._previous = signal.signal(signal.SIGINT, self._on_signal)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where it is due."""
        del pl_module, outputs, batch, batch_idx
        if self.interrupted or trainer.global_step % self._every == 0:
            save_checkpoint(trainer, self._path)
        if self.interrupted:
            trainer.should_stop = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back its usual meaning."""
        del trainer, pl_module, stage
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Save weights, optimiser, schedule, step and curve; atomically."""
    with files.write_errors(path):
        beside = path.with_name(f".{path.name}.partial")
        try:
            trainer.save_checkpoint(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
