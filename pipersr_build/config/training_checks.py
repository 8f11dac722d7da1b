"""What the training settings allow, each alone and together."""

import math
from collections.abc import Sequence
from typing import Any

from pipersr_build.config.refused import at_least, choice, refused
from pipersr_build.config.schemas import TrainingConfig
from pipersr_build.training import losses

CHOICES = {
    "precision": ("auto", "fp32", "bf16"),
    "form": ("as_is", "frozen", "folded", "quantized"),
    "start": ("nearest", "calibrated", "identity"),
    "optimizer": ("adam", "adamw", "muon"),
    "schedule": ("cosine", "multistep", "linear", "constant"),
    "compile": ("auto", "on", "graphs", "off"),
    "accelerator": ("auto", "cpu", "gpu"),
}
LOGS = ("csv", "tensorboard", "wandb")


def check_training(training: TrainingConfig) -> None:
    """Check each setting.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    for key, allowed in CHOICES.items():
        choice(f"training.{key}", getattr(training, key), allowed)
    _check_numbers(training)
    parts = training.accumulate * training.devices * training.nodes
    if training.batch % parts:
        raise refused("training.batch", training.batch,
                   f"it must be a multiple of accumulate x devices x nodes = {parts}")  # fmt: skip
    _check_form(training)
    _check_list("training.logs", training.logs, LOGS)
    _check_loss(training.loss)
    _check_stages(training)
    _check_milestones(training)


def _check_numbers(training: TrainingConfig) -> None:
    """Each number alone."""
    for key in ("steps", "batch", "patch", "accumulate", "devices", "nodes", "validate_every",
                "checkpoint_every", "log_every"):  # fmt: skip
        at_least(f"training.{key}", getattr(training, key), 1)
    for key in ("warmup", "clip_gradient", "weight_decay", "ema", "teacher_weight", "keep_best"):
        at_least(f"training.{key}", getattr(training, key), 0)
        if not math.isfinite(getattr(training, key)):
            raise refused(f"training.{key}", getattr(training, key), "it must be finite")
    if training.threads is not None:
        at_least("training.threads", training.threads, 1)
    if not 0 < training.learning_rate < 1:
        raise refused("training.learning_rate", training.learning_rate, "it must lie between 0 and 1")
    if not training.ema < 1:
        raise refused("training.ema", training.ema, "it must be less than 1")
    for key in ("gamma", "decay_from", "beta2"):
        if not 0 <= getattr(training, key) <= 1:
            raise refused(f"training.{key}", getattr(training, key), "it must lie between 0 and 1")


def _check_form(training: TrainingConfig) -> None:
    if training.form == "frozen" and not training.initial:
        why = "the batch norms keep the statistics of training.initial: give training.initial=PATH"
        raise refused("training.form", training.form, why)
    if training.form == "quantized" and not training.initial:
        why = "trained weights are made to bear 8 bits: give training.initial=PATH"
        raise refused("training.form", training.form, why)


def _check_list(key: str, values: Any, allowed: Sequence[str]) -> None:
    if not isinstance(values, list):
        raise refused(key, values, "give a list, for example [csv,tensorboard]")
    for value in values:
        choice(key, value, allowed)


def _check_stages(training: TrainingConfig) -> None:
    """{step: [patch, batch]} with whole numbers."""
    stages = training.stages or {}
    fix = "give {step: [patch, batch], ...} with whole positive numbers"
    if not isinstance(stages, dict):
        raise refused("training.stages", stages, fix)
    for step, pair in stages.items():
        sizes = list(pair) if isinstance(pair, list | tuple) else []
        if len(sizes) != 2 or not all(type(n) is int and n > 0 for n in (step, *sizes)):
            raise refused("training.stages", stages, fix)
        parts = training.accumulate * training.devices * training.nodes
        if sizes[1] % parts:
            raise refused("training.stages", stages, f"batches must be multiples of {parts}")


def _check_milestones(training: TrainingConfig) -> None:
    milestones = training.milestones
    if not isinstance(milestones, list) or not all(type(n) is int and n > 0 for n in milestones):
        raise refused("training.milestones", milestones, "give a list of steps")
    if training.schedule == "multistep" and not milestones:
        why = "training.schedule=multistep needs steps, for example [200000,400000]"
        raise refused("training.milestones", milestones, why)


def _check_loss(loss: object) -> None:
    try:
        losses.parse(loss)
    except ValueError as error:
        raise refused("training.loss", loss, str(error)) from error
