"""When checkpoints are saved, and how: atomically, the one before kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer

import pipersr_build
from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.training.checkpoint_file import FORMAT, MARK
from pipersr_build.training.curve import Curve
from pipersr_build.training.interruption import Interruption
from pipersr_build.training.names import LAST, PREVIOUS
from pipersr_build.training.steps import StepCallback


class Checkpoints(StepCallback):
    """Saves at intervals, at the last step and, if somebody asks for an end, after the present step.

    Args:
        folder: the run's folder.
        every: steps between checkpoints.
        curve: told before each one, since it is part of it.
        interruption: who may ask for an end.
        saved: called after each one, in the first process.
    """

    def __init__(
        self, folder: Path, every: int, curve: Curve, interruption: Interruption, saved: Callable[[], None]
    ) -> None:
        self._folder, self._every, self._curve = folder, every, curve
        self._interruption, self._saved = interruption, saved

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for signals from here on, and check that all processes go on from one checkpoint."""
        super().on_train_start(trainer, pl_module)
        self._interruption.listen()  # Lightning has just put its own handlers in place
        steps = trainer.strategy.all_gather(torch.tensor(trainer.global_step, device=pl_module.device))
        if steps.min() != steps.max():
            raise InputError(
                f"the processes go on from different steps: {sorted(set(steps.flatten().tolist()))}",
                where=self._folder,
                fix="let all nodes see the same runs folder",
            )

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """Save where it is due."""
        stop = self._interruption.asked
        if trainer.world_size > 1:  # the signal may have reached one process only
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:  # never unsay it: a signal may have come while the processes compared
            self._interruption.asked = True
        if stop or step % self._every == 0 or step == trainer.max_steps:
            self._save(trainer, module, step)
        if stop:
            trainer.should_stop = True

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Mark it as ours."""
        del trainer, pl_module
        checkpoint[MARK] = {"format": FORMAT, "version": pipersr_build.__version__}

    def _save(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        self._curve.flush(step)
        if not all(torch.isfinite(p).all() for p in module.parameters()):
            raise self._curve.diverged("a weight is not finite", step)
        self._curve.close_leg(step)
        save_checkpoint(trainer, self._folder)
        if trainer.is_global_zero:
            self._saved()


def save_checkpoint(trainer: Trainer, folder: Path) -> None:
    """Save weights, optimiser, schedule, step, average and curve as `last.ckpt`, atomically.

    The checkpoint that was there becomes `previous.ckpt`: a machine that dies while it writes leaves
    one of the two whole. All processes of a run call this; the first one writes.

    Raises:
        InputError: the disk is full or refuses; the checkpoints that were there still are.
    """
    last, beside = folder / LAST, folder / f".{LAST}.partial"
    with files.write_errors(last):
        try:
            trainer.save_checkpoint(beside)
            if trainer.is_global_zero:
                _sync(beside)
                if last.is_file():
                    last.replace(folder / PREVIOUS)
                beside.replace(last)
        finally:
            if trainer.is_global_zero:
                beside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
