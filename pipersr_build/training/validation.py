"""Validation while training: the score, the best weights, the sample sheet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import nn

from pipersr_build import files
from pipersr_build.evidence import ValidationPoint
from pipersr_build.models.weights import save_weights
from pipersr_build.training.curve import Curve, Score
from pipersr_build.training.names import BEST, SAMPLES
from pipersr_build.training.steps import StepCallback

DrawSamples = Callable[[nn.Module, Path], None]  # draws the held-out crops of a network into a PNG file


class BestWeights:
    """The weights of the best validations, in files named by their steps.

    Weights that one of the two checkpoints on the disk counts among the best are kept until a newer
    checkpoint is there, since a run may have to go on from either.

    Args:
        folder: made if needed.
        keep: how many.
        config: the network's configuration.
        name: the run's name.
    """

    def __init__(self, folder: Path, keep: int, config: Any, name: str) -> None:
        self._folder, self._keep, self._config, self._name = folder, keep, config, name
        self._before: set[str] | None = None  # kept at the checkpoint before; None: not known in this leg

    def add(self, network: nn.Module, step: int, scores: list[ValidationPoint]) -> None:
        """Keep the weights of `step` if they are among the best so far."""
        if step in {point.step for point in best(scores, self._keep)}:
            path = files.make_folder(self._folder) / _file_name(step)
            save_weights(path, network, self._config, self._name)

    def checkpointed(self, scores: list[ValidationPoint]) -> None:
        """A checkpoint with these scores is saved: delete what neither it nor the one before needs."""
        now = self._names(scores)
        if self._before is not None:
            self._delete_others(now | self._before)
        self._before = now

    def finish(self, scores: list[ValidationPoint]) -> None:
        """Delete all but the best of the whole run."""
        self._delete_others(self._names(scores))

    def _names(self, scores: list[ValidationPoint]) -> set[str]:
        return {_file_name(point.step) for point in best(scores, self._keep)}

    def _delete_others(self, kept: set[str]) -> None:
        for path in self._folder.glob("*.safetensors"):
            if path.name not in kept:
                path.unlink()


class Validation(StepCallback):
    """Judges the network (its average, where there is one) at intervals and at the last step.

    Args:
        folder: the run's folder; sheets go to `samples/`.
        every: steps between validations.
        score: judges a network.
        draw: draws a sample sheet; None draws none.
        curve: where the scores are recorded.
        judged: the network to judge, which is also the one that is kept.
        weights: where it is kept.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        score: Score,
        draw: DrawSamples | None,
        curve: Curve,
        judged: nn.Module,
        weights: BestWeights,
    ) -> None:
        self._folder, self._every, self._score, self._draw = folder, every, score, draw
        self._curve, self._judged, self._weights = curve, judged, weights

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the start of a new run."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero and trainer.global_step == 0:
            self._curve.add_score(0, self._score(self._judged))

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """Judge where it is due."""
        del module
        due = step % self._every == 0 or step == trainer.max_steps
        if not due or not trainer.is_global_zero:
            return
        self._curve.add_score(step, self._score(self._judged))
        self._weights.add(self._judged, step, self._curve.scores)
        if self._draw is not None:
            self._draw(self._judged, files.make_folder(self._folder / SAMPLES) / f"{step:07d}.png")


def best(scores: list[ValidationPoint], count: int) -> list[ValidationPoint]:
    """The best validations of trained weights, best first, the earlier of equals first."""
    trained = [point for point in scores if point.step > 0]
    return sorted(trained, key=lambda point: (-point.psnr, point.step))[:count]


def best_weights(folder: Path, scores: list[ValidationPoint]) -> Path:
    """Where the weights of the best validation were kept."""
    return folder / BEST / _file_name(best(scores, 1)[0].step)


def _file_name(step: int) -> str:
    return f"{step:07d}.safetensors"
