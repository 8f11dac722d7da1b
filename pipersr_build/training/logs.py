"""Where the figures of a run go besides its record: a CSV file, TensorBoard, Weights & Biases."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from pipersr_build import files
from pipersr_build.errors import MachineError
from pipersr_build.training.curve import Curve
from pipersr_build.training.names import CURVE, TENSORBOARD
from pipersr_build.training.steps import StepCallback

_NEEDS = {"tensorboard": "tensorboard", "wandb": "wandb"}


def check_packages(names: Sequence[str]) -> None:
    """Whether the logs can be written here.

    Raises:
        MachineError: a package that is asked for is not installed.
    """
    for wanted in names:
        package = _NEEDS.get(wanted)
        if package is not None and importlib.util.find_spec(package) is None:
            raise MachineError(
                f"{package} is not installed",
                fix=f"pip install {package}, or leave {wanted} out of training.logs",
            )


def loggers(names: Sequence[str], folder: Path, name: str, step: int) -> list[Logger]:
    """Lightning's loggers for the configured names (the CSV file is `WriteLogs`' own).

    Args:
        names: of `csv`, `tensorboard`, `wandb`; their packages are there.
        folder: the run's folder.
        name: the run's name.
        step: the step from which the run goes on; what was logged after it is dropped.
    """
    made: list[Logger] = []
    if "tensorboard" in names:
        purge = step + 1 if step else 0
        made.append(TensorBoardLogger(folder, name=TENSORBOARD, version="", purge_step=purge))
    if "wandb" in names:
        made.append(WandbLogger(name=name, id=name, save_dir=folder, resume="allow", project="pipersr-build"))
    return made


class WriteLogs(StepCallback):
    """Passes every new point of the curve on; the CSV file is written whole from the record.

    Lightning's own CSV logger begins a new file when a run is resumed.
    """

    def __init__(self, folder: Path, curve: Curve, csv: bool) -> None:
        self._path, self._curve, self._csv = folder / CURVE, curve, csv
        self._logged = (0, 0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What a resumed run has recorded is logged already."""
        super().on_train_start(trainer, pl_module)
        if trainer.global_step:
            self._logged = (len(self._curve.losses), len(self._curve.scores))

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """Log what is new; the CSV file follows at validations."""
        del module
        losses, scores = self._curve.losses[self._logged[0] :], self._curve.scores[self._logged[1] :]
        if not (losses or scores) or not trainer.is_global_zero:
            return
        self._logged = (len(self._curve.losses), len(self._curve.scores))
        for logger in trainer.loggers:
            for point in losses:
                logger.log_metrics({"loss": point.loss, "learning_rate": point.learning_rate}, point.step)
            for score in scores:
                logger.log_metrics({"held_out_psnr": score.psnr}, score.step)
        if self._csv and any(score.step == step for score in scores):
            self.write_csv()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file once more."""
        del pl_module
        if self._csv and trainer.is_global_zero:
            self.write_csv()

    def write_csv(self) -> None:
        """step, loss, learning_rate, held_out_psnr: one row for each step that has a point."""
        losses = {point.step: point for point in self._curve.losses}
        scores = {point.step: point for point in self._curve.scores}
        rows = ["step,loss,learning_rate,held_out_psnr"]
        for step in sorted({*losses, *scores}):
            loss, score = losses.get(step), scores.get(step)
            cells = [
                f"{loss.loss:.6g},{loss.learning_rate:.6g}" if loss else ",",
                f"{score.psnr:.4f}" if score else "",
            ]
            rows.append(f"{step},{','.join(cells)}")
        files.write_text(self._path, "\n".join(rows) + "\n")
