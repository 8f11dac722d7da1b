"""What the settings allow, each alone and together; the schemas are in `config`."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipersr_build import models
from pipersr_build.config_bench import check_bench
from pipersr_build.config_serve import check_serve
from pipersr_build.config_upscale import check_upscale
from pipersr_build.data.degradations import parse
from pipersr_build.errors import InputError
from pipersr_build.export import formats
from pipersr_build.export.compression import methods
from pipersr_build.export.targets import TARGETS
from pipersr_build.files import SAFE_NAME
from pipersr_build.runtime.backends import COMPUTE_UNITS
from pipersr_build.training import losses

if TYPE_CHECKING:
    from pipersr_build.config import Config, DataConfig, EvaluationConfig, TrainingConfig

CORPORA = ("photos", "folder", "reference", "div2k", "df2k")
LR_MADE = ("once", "fly")
CHOICES = {  # of the training settings
    "precision": ("auto", "fp32", "bf16"),
    "form": ("as_is", "frozen", "folded", "quantized"),
    "start": ("nearest", "calibrated", "identity"),
    "optimizer": ("adam", "adamw", "muon"),
    "schedule": ("cosine", "multistep", "linear", "constant"),
    "compile": ("auto", "on", "graphs", "off"),
    "accelerator": ("auto", "cpu", "gpu"),
}
LOGS = ("csv", "tensorboard", "wandb")
PROTOCOLS = ("y_float", "y_uint8", "rgb_uint8")
ALL_PROTOCOLS = "all"
LARGEST_SEED = 2**32 - 1  # NumPy's


def check(config: "Config") -> None:
    """Cross-field checks.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    data, training = config.data, config.training
    _choice("data.corpus", data.corpus, CORPORA)
    _check_model(config.model, data, training)
    _choice("placement.gate", config.placement.gate, ("will", "can"))
    _choice("placement.compute_units", config.placement.compute_units, ("cpu_and_ne", "all"))
    _at_least("placement.timeout_s", config.placement.timeout_s, 1)
    if config.placement.memory_gib is not None:
        _at_least("placement.memory_gib", config.placement.memory_gib, 0.5)
    _choice("target.deployment", config.target.deployment, TARGETS)
    _choice("validation.compute_units", config.validation.compute_units, tuple(COMPUTE_UNITS))
    _choice("evaluation.protocol", config.evaluation.protocol, (*PROTOCOLS, ALL_PROTOCOLS))
    if config.estimate.fps is not None and not 0 < config.estimate.fps < math.inf:
        raise _bad("estimate.fps", config.estimate.fps, "give frames per second, more than 0")
    _check_pictures(config.evaluation)
    check_upscale(config.upscale)
    check_serve(config.serve)
    check_bench(config.bench)
    _check_data(data)
    if not 0 <= config.seed <= LARGEST_SEED:
        raise _bad("seed", config.seed, f"it must lie between 0 and {LARGEST_SEED}")
    check_training(training)
    _at_least("export.image.tile", config.export.image.tile, 8)
    methods.parse(config.export.compress, config.target.deployment)
    formats.parse(config.export.formats)
    methods.check_kept(config.export.keep_fp16)
    if not SAFE_NAME.fullmatch(config.name):
        raise _bad("name", config.name, "use letters, digits, '_', '-' and '.'")


def _check_model(model: Any, data: "DataConfig", training: "TrainingConfig") -> None:
    """The network with the settings of its training; a family says itself what it allows."""
    family, facts = models.FAMILIES[model.family], models.facts(model)
    if facts.channels != 3:
        key = "colours" if "colours" in models.describe(model) else "form"
        raise _bad(
            f"model.{key}", getattr(model, key), "pictures are RGB here: leave it as it was (3, or rgb)"
        )
    for key, allowed in (("form", family.forms), ("start", family.starts)):
        value = getattr(training, key)
        if value in CHOICES[key] and value not in allowed:
            raise _bad(f"training.{key}", value, f"the family {model.family} allows {', '.join(allowed)}")
    if parse(data.degradations) is not None and not float(facts.scale).is_integer():
        raise _bad("data.degradations", data.degradations, f"they make no pictures of 1/{facts.scale:g} size")
    if training.patch % facts.size_multiple:
        why = f"{facts.title} takes sizes that are multiples of {facts.size_multiple}"
        raise _bad("training.patch", training.patch, why)


def _check_data(data: "DataConfig") -> None:
    """The corpus' settings, each alone and together."""
    _choice("data.lr", data.lr, LR_MADE)
    if data.corpus in ("folder", "reference") and not data.folder:
        why = f"a folder of images is needed with data={data.corpus}: data.folder=PATH"
        raise _bad("data.folder", data.folder, why)
    names = isinstance(data.holdout, list) and all(isinstance(name, str) for name in data.holdout)
    number = isinstance(data.holdout, int) and not isinstance(data.holdout, bool)
    if not (names or number or isinstance(data.holdout, str | None)):
        raise _bad("data.holdout", data.holdout, "give a number, a list of names or a file of names")
    if data.holdout is None and data.corpus == "folder":
        raise _bad("data.holdout", None, "give a number of pictures, their names or a file of names")
    wrong = [factor for factor in data.reductions if not 0 < factor < 1]
    if wrong or len(set(data.reductions)) < len(data.reductions):
        raise _bad("data.reductions", data.reductions, "give different factors between 0 and 1")
    _at_least("data.reductions_least", data.reductions_least, 1)
    _check_emphasis(data.emphasis)
    if data.workers is not None:
        _at_least("data.workers", data.workers, 1)
    if data.mirror is not None and not data.mirror.startswith(("http://", "https://")):
        raise _bad("data.mirror", data.mirror, "give an address that begins with http:// or https://")
    if parse(data.degradations) is not None and data.resident:
        why = "degradations work on the host: leave out data.degradations or give data.resident=false"
        raise _bad("data.resident", True, why)


def _check_emphasis(emphasis: Any) -> None:
    """A mapping from folders to factors, or nothing."""
    why = "give folders with factors from 0 on, for example {General100: 2}, or null"
    if not isinstance(emphasis, dict | None):
        raise _bad("data.emphasis", emphasis, why)
    for factor in (emphasis or {}).values():
        number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not number or not 0 <= factor < float("inf"):
            raise _bad("data.emphasis", emphasis, why)


def _check_pictures(evaluation: "EvaluationConfig") -> None:
    """The pictures to measure on are given in one way, and as paths."""
    folders = evaluation_folders(evaluation)
    if isinstance(evaluation.folder, dict) or (evaluation.folder is not None and not all(folders)):
        raise _bad("evaluation.folder", evaluation.folder, "give a folder or a list: [first,second]")
    if folders and (evaluation.hr or evaluation.lr):
        raise _bad("evaluation.folder", evaluation.folder, "give it, or evaluation.hr and lr, not both")
    if evaluation.lr and not evaluation.hr:
        raise _bad("evaluation.lr", evaluation.lr, "it needs evaluation.hr, the true pictures")


def evaluation_folders(evaluation: "EvaluationConfig") -> list[str]:
    """`evaluation.folder` as a list, empty where there is none; an empty name stands for no name."""
    given = evaluation.folder
    if given is None:
        return []
    items = given if isinstance(given, list) else [given]
    return ["" if item is None else str(item) for item in items] or [""]


def check_training(training: "TrainingConfig") -> None:
    """Checks of the training settings; see `check`."""
    for key, allowed in CHOICES.items():
        _choice(f"training.{key}", getattr(training, key), allowed)
    _check_numbers(training)
    parts = training.accumulate * training.devices * training.nodes
    if training.batch % parts:
        raise _bad("training.batch", training.batch,
                   f"it must be a multiple of accumulate x devices x nodes = {parts}")  # fmt: skip
    _check_form(training)
    _check_list("training.logs", training.logs, LOGS)
    _check_loss(training.loss)
    _check_stages(training)
    _check_milestones(training)


def _check_numbers(training: "TrainingConfig") -> None:
    """Each number alone."""
    for key in ("steps", "batch", "patch", "accumulate", "devices", "nodes", "validate_every",
                "checkpoint_every", "log_every"):  # fmt: skip
        _at_least(f"training.{key}", getattr(training, key), 1)
    for key in ("warmup", "clip_gradient", "weight_decay", "ema", "teacher_weight", "keep_best"):
        _at_least(f"training.{key}", getattr(training, key), 0)
        if not math.isfinite(getattr(training, key)):
            raise _bad(f"training.{key}", getattr(training, key), "it must be finite")
    if training.threads is not None:
        _at_least("training.threads", training.threads, 1)
    if not 0 < training.learning_rate < 1:
        raise _bad("training.learning_rate", training.learning_rate, "it must lie between 0 and 1")
    if not training.ema < 1:
        raise _bad("training.ema", training.ema, "it must be less than 1")
    for key in ("gamma", "decay_from", "beta2"):
        if not 0 <= getattr(training, key) <= 1:
            raise _bad(f"training.{key}", getattr(training, key), "it must lie between 0 and 1")


def _check_form(training: "TrainingConfig") -> None:
    if training.form == "frozen" and not training.initial:
        why = "the batch norms keep the statistics of training.initial: give training.initial=PATH"
        raise _bad("training.form", training.form, why)
    if training.form == "quantized" and not training.initial:
        why = "trained weights are made to bear 8 bits: give training.initial=PATH"
        raise _bad("training.form", training.form, why)


def _check_list(key: str, values: Any, allowed: Sequence[str]) -> None:
    if not isinstance(values, list):
        raise _bad(key, values, "give a list, for example [csv,tensorboard]")
    for value in values:
        _choice(key, value, allowed)


def _check_stages(training: "TrainingConfig") -> None:
    """{step: [patch, batch]} with whole numbers."""
    stages = training.stages or {}
    fix = "give {step: [patch, batch], ...} with whole positive numbers"
    if not isinstance(stages, dict):
        raise _bad("training.stages", stages, fix)
    for step, pair in stages.items():
        sizes = list(pair) if isinstance(pair, list | tuple) else []
        if len(sizes) != 2 or not all(type(n) is int and n > 0 for n in (step, *sizes)):
            raise _bad("training.stages", stages, fix)
        parts = training.accumulate * training.devices * training.nodes
        if sizes[1] % parts:
            raise _bad("training.stages", stages, f"batches must be multiples of {parts}")


def _check_milestones(training: "TrainingConfig") -> None:
    milestones = training.milestones
    if not isinstance(milestones, list) or not all(type(n) is int and n > 0 for n in milestones):
        raise _bad("training.milestones", milestones, "give a list of steps")
    if training.schedule == "multistep" and not milestones:
        why = "training.schedule=multistep needs steps, for example [200000,400000]"
        raise _bad("training.milestones", milestones, why)


def _check_loss(loss: object) -> None:
    try:
        losses.parse(loss)
    except ValueError as error:
        raise _bad("training.loss", loss, str(error)) from error


def _choice(key: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise _bad(key, value, f"choose from {', '.join(allowed)}")


def _at_least(key: str, value: float, least: float) -> None:
    if not value >= least:  # NaN is not
        raise _bad(key, value, f"it must be at least {least}")


def _bad(key: str, value: object, why: str) -> InputError:
    return InputError(f"{key} is {value!r}", where=f"configuration key {key}", fix=why)
