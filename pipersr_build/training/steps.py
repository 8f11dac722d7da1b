"""A Lightning callback that counts optimiser steps."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class StepCallback(Callback):
    """Calls `on_step` once after each optimiser step; within an accumulation Lightning calls more often.

    The count begins when the training does: before, a resumed run's counter is not yet restored.
    """

    _step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count at the step that the run goes on from."""
        del pl_module
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call `on_step` if the batch completed an optimiser step."""
        del outputs, batch, batch_idx
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            self.on_step(trainer, pl_module, self._step)

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """What to do after optimiser step `step`, counted from 1."""
