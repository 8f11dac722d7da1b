"""What is recorded while training: loss, held-out PSNR, time, and who trained which steps."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from pipersr_build.errors import InputError
from pipersr_build.evidence import Leg, LossPoint, ValidationPoint
from pipersr_build.training.steps import StepCallback

Score = Callable[[nn.Module], float]  # PSNR in dB on the held-out pictures
Names = Callable[[int], list[str]]  # the pictures of an optimiser step, counted from 1

_SHOWN = 16  # names in the message of a run that diverged


class Curve(StepCallback):
    """Records loss and time; its records are part of the checkpoint.

    The losses stay on the device until they are due, so that a GPU need not wait at every step. With
    several processes they are the mean over these.

    Args:
        log_every: steps between points.
        leg: who begins to train now.
        names: says which pictures a step saw, for the message about a loss that is not finite.
    """

    def __init__(self, log_every: int, leg: Leg, names: Names) -> None:
        self.losses: list[LossPoint] = []
        self.scores: list[ValidationPoint] = []
        self.legs: list[Leg] = [leg]
        self._log_every, self._names = log_every, names
        self._read: list[float] = []  # losses since the last point
        self._part: Tensor | None = None  # of the present step: the sum over an accumulation so far
        self._waiting: list[Tensor] = []  # losses and gradients' norms that are still on the device
        self._mean: Callable[[Tensor], Tensor] = torch.Tensor.clone  # over the processes
        self._rate = 0.0  # of the present step; when it has ended, the schedule has moved on already
        self._before, self._started = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, validation included, over all its legs."""
        return self._before + time.perf_counter() - self._started

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of this leg."""
        del pl_module
        self._started = time.perf_counter()
        if trainer.world_size > 1:
            self._mean = lambda values: trainer.strategy.reduce(values, reduce_op="mean")

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Note the learning rate that the step is taken with."""
        del trainer, pl_module
        self._rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss, which Lightning has divided by the accumulated batches."""
        loss = outputs["loss"].detach()
        self._part = loss if self._part is None else self._part + loss
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """At the intervals, and at the end, make a point."""
        loss, self._part = self._part, None
        assert loss is not None
        norm = getattr(module, "gradient_norm", None)
        self._waiting.append(torch.stack([loss, torch.zeros_like(loss) if norm is None else norm]))
        due = step % self._log_every == 0 or step == trainer.max_steps
        if due or not loss.is_cuda:
            self.flush(step)
        if due:
            mean = math.fsum(self._read) / len(self._read)
            self.losses.append(LossPoint(step=step, loss=mean, learning_rate=self._rate))
            self._read = []

    def flush(self, step: int) -> None:
        """Fetch the losses from the device and stop if one, or a gradient, is not finite.

        Raises:
            InputError: naming the step and the pictures of its batch.
        """
        if not self._waiting:
            return
        values = self._mean(torch.stack(self._waiting).float()).tolist()
        self._waiting = []
        for index, (loss, norm) in enumerate(values):
            at = step - len(values) + 1 + index
            if not math.isfinite(loss):
                raise self.diverged(f"the loss is {loss}", at)
            if not math.isfinite(norm):
                raise self.diverged(f"the gradient's norm is {norm}", at)
        self._read += [loss for loss, _ in values]

    def add_score(self, step: int, psnr: float) -> None:
        """Record a validation."""
        self.scores.append(ValidationPoint(step=step, psnr=psnr))

    def state_dict(self) -> dict[str, Any]:
        """The records as plain data."""
        return {
            "losses": [point.model_dump() for point in self.losses],
            "scores": [point.model_dump() for point in self.scores],
            "legs": [leg.model_dump() for leg in self.legs],
            "read": self._read,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the records up again; what was done so far is the work of the legs before this one."""
        self.losses = [LossPoint(**point) for point in state_dict["losses"]]
        self.scores = [ValidationPoint(**point) for point in state_dict["scores"]]
        earlier = [Leg(**leg) for leg in state_dict["legs"]]
        begins = max(leg.last_step for leg in earlier) + 1
        self.legs = [*earlier, self.legs[-1].model_copy(update={"first_step": begins})]
        self._read, self._before = list(state_dict["read"]), state_dict["seconds"]

    def close_leg(self, step: int) -> None:
        """Note how far the present leg has come; one that had nothing left to do is no leg."""
        *earlier, present = self.legs
        if earlier and step < present.first_step:
            self.legs = earlier
            return
        seconds = round(self.seconds - sum(leg.seconds for leg in earlier), 2)
        self.legs = [*earlier, present.model_copy(update={"last_step": step, "seconds": seconds})]

    def diverged(self, what: str, step: int) -> InputError:
        """The error for a run that is no longer a number."""
        names = self._names(step)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return InputError(
            f"the training diverged: {what} at step {step} "
            f"(pictures of its batch: {', '.join(names[:_SHOWN])}{more})",
            where=f"step {step}",
            fix="begin again under another name=… with a lower training.learning_rate or a longer "
            "training.warmup; a checkpoint that was saved before holds finite weights",
        )
