"""The progress bar of a run."""

from lightning.pytorch import LightningModule, Trainer

from pipersr_build.progress import Bar
from pipersr_build.training.curve import Curve
from pipersr_build.training.steps import StepCallback


class ShowProgress(StepCallback):
    """Advances the bar and shows the latest figures."""

    def __init__(self, bar: Bar, curve: Curve) -> None:
        self._bar, self._curve, self._noted = bar, curve, 0

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """One optimiser step further."""
        del trainer, module, step
        points = len(self._curve.losses)
        self._bar.advance(1, note=self._note() if points > self._noted else None)
        self._noted = points

    def _note(self) -> str:
        psnr = f"held-out {self._curve.scores[-1].psnr:.2f} dB" if self._curve.scores else ""
        return f"loss {self._curve.losses[-1].loss:.4f}  {psnr}"
