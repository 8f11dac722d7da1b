"""The progress bar of a run."""

from contextlib import ExitStack

from lightning.pytorch import LightningModule, Trainer

from pipersr_build.progress import Bar, bar
from pipersr_build.training.curve import Curve
from pipersr_build.training.steps import StepCallback


class ShowProgress(StepCallback):
    """Shows a bar of the optimiser steps with the latest figures, while there are steps to take."""

    def __init__(self, curve: Curve) -> None:
        self._curve, self._noted = curve, 0
        self._shown = ExitStack()
        self._bar: Bar | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar at the step that the run goes on from."""
        super().on_train_start(trainer, pl_module)
        self._bar = self._shown.enter_context(bar("training", trainer.max_steps, done=trainer.global_step))

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """One optimiser step further."""
        del trainer, module, step
        assert self._bar is not None
        points = len(self._curve.losses)
        self._bar.advance(1, note=self._note() if points > self._noted else None)
        self._noted = points

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        del trainer, pl_module
        self._shown.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar before anybody says what happened."""
        del trainer, pl_module, exception
        self._shown.close()

    def _note(self) -> str:
        psnr = f"held-out {self._curve.scores[-1].psnr:.2f} dB" if self._curve.scores else ""
        return f"loss {self._curve.losses[-1].loss:.4f}  {psnr}"
