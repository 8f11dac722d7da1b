"""What the settings allow, each alone and together; the schemas are in `schemas`."""

import math
from typing import Any

from pipersr_build import models
from pipersr_build.config.bench import check_bench
from pipersr_build.config.refused import at_least, choice, refused
from pipersr_build.config.schemas import Config, DataConfig, EvaluationConfig, TrainingConfig
from pipersr_build.config.serve import check_serve
from pipersr_build.config.training_checks import CHOICES, check_training
from pipersr_build.config.upscale import check_upscale
from pipersr_build.data.degradations import parse
from pipersr_build.export import formats
from pipersr_build.export.compression import methods
from pipersr_build.export.targets import TARGETS
from pipersr_build.files import SAFE_NAME
from pipersr_build.runtime.backends import COMPUTE_UNITS

CORPORA = ("photos", "folder", "reference", "div2k", "df2k")
LR_MADE = ("once", "fly")
PROTOCOLS = ("y_float", "y_uint8", "rgb_uint8")
ALL_PROTOCOLS = "all"
LARGEST_SEED = 2**32 - 1  # NumPy's


def check(config: Config) -> None:
    """Cross-field checks.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    data, training = config.data, config.training
    choice("data.corpus", data.corpus, CORPORA)
    _check_model(config.model, data, training)
    choice("placement.gate", config.placement.gate, ("will", "can"))
    choice("placement.compute_units", config.placement.compute_units, ("cpu_and_ne", "all"))
    at_least("placement.timeout_s", config.placement.timeout_s, 1)
    if config.placement.memory_gib is not None:
        at_least("placement.memory_gib", config.placement.memory_gib, 0.5)
    choice("target.deployment", config.target.deployment, TARGETS)
    choice("validation.compute_units", config.validation.compute_units, tuple(COMPUTE_UNITS))
    choice("evaluation.protocol", config.evaluation.protocol, (*PROTOCOLS, ALL_PROTOCOLS))
    if config.estimate.fps is not None and not 0 < config.estimate.fps < math.inf:
        raise refused("estimate.fps", config.estimate.fps, "give frames per second, more than 0")
    _check_pictures(config.evaluation)
    check_upscale(config.upscale)
    check_serve(config.serve)
    check_bench(config.bench)
    _check_data(data)
    if not 0 <= config.seed <= LARGEST_SEED:
        raise refused("seed", config.seed, f"it must lie between 0 and {LARGEST_SEED}")
    check_training(training)
    at_least("export.image.tile", config.export.image.tile, 8)
    methods.parse(config.export.compress, config.target.deployment)
    formats.parse(config.export.formats)
    methods.check_kept(config.export.keep_fp16)
    if not SAFE_NAME.fullmatch(config.name):
        raise refused("name", config.name, "use letters, digits, '_', '-' and '.'")


def _check_model(model: Any, data: DataConfig, training: TrainingConfig) -> None:
    """The network with the settings of its training; a family says itself what it allows."""
    family, facts = models.FAMILIES[model.family], models.facts(model)
    if facts.channels != 3:
        key = "colours" if "colours" in models.describe(model) else "form"
        raise refused(
            f"model.{key}", getattr(model, key), "pictures are RGB here: leave it as it was (3, or rgb)"
        )
    for key, allowed in (("form", family.forms), ("start", family.starts)):
        value = getattr(training, key)
        if value in CHOICES[key] and value not in allowed:
            raise refused(f"training.{key}", value, f"the family {model.family} allows {', '.join(allowed)}")
    if parse(data.degradations) is not None and not float(facts.scale).is_integer():
        raise refused(
            "data.degradations", data.degradations, f"they make no pictures of 1/{facts.scale:g} size"
        )
    if training.patch % facts.size_multiple:
        why = f"{facts.title} takes sizes that are multiples of {facts.size_multiple}"
        raise refused("training.patch", training.patch, why)


def _check_data(data: DataConfig) -> None:
    """The corpus' settings, each alone and together."""
    choice("data.lr", data.lr, LR_MADE)
    if data.corpus in ("folder", "reference") and not data.folder:
        why = f"a folder of images is needed with data={data.corpus}: data.folder=PATH"
        raise refused("data.folder", data.folder, why)
    names = isinstance(data.holdout, list) and all(isinstance(name, str) for name in data.holdout)
    number = isinstance(data.holdout, int) and not isinstance(data.holdout, bool)
    if not (names or number or isinstance(data.holdout, str | None)):
        raise refused("data.holdout", data.holdout, "give a number, a list of names or a file of names")
    if data.holdout is None and data.corpus == "folder":
        raise refused("data.holdout", None, "give a number of pictures, their names or a file of names")
    wrong = [factor for factor in data.reductions if not 0 < factor < 1]
    if wrong or len(set(data.reductions)) < len(data.reductions):
        raise refused("data.reductions", data.reductions, "give different factors between 0 and 1")
    at_least("data.reductions_least", data.reductions_least, 1)
    _check_emphasis(data.emphasis)
    if data.workers is not None:
        at_least("data.workers", data.workers, 1)
    if data.mirror is not None and not data.mirror.startswith(("http://", "https://")):
        raise refused("data.mirror", data.mirror, "give an address that begins with http:// or https://")
    if parse(data.degradations) is not None and data.resident:
        why = "degradations work on the host: leave out data.degradations or give data.resident=false"
        raise refused("data.resident", True, why)


def _check_emphasis(emphasis: Any) -> None:
    """A mapping from folders to factors, or nothing."""
    why = "give folders with factors from 0 on, for example {General100: 2}, or null"
    if not isinstance(emphasis, dict | None):
        raise refused("data.emphasis", emphasis, why)
    for factor in (emphasis or {}).values():
        number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not number or not 0 <= factor < float("inf"):
            raise refused("data.emphasis", emphasis, why)


def _check_pictures(evaluation: EvaluationConfig) -> None:
    """The pictures to measure on are given in one way, and as paths."""
    folders = evaluation_folders(evaluation)
    if isinstance(evaluation.folder, dict) or (evaluation.folder is not None and not all(folders)):
        raise refused("evaluation.folder", evaluation.folder, "give a folder or a list: [first,second]")
    if folders and (evaluation.hr or evaluation.lr):
        raise refused("evaluation.folder", evaluation.folder, "give it, or evaluation.hr and lr, not both")
    if evaluation.lr and not evaluation.hr:
        raise refused("evaluation.lr", evaluation.lr, "it needs evaluation.hr, the true pictures")


def evaluation_folders(evaluation: EvaluationConfig) -> list[str]:
    """`evaluation.folder` as a list, empty where there is none; an empty name stands for no name."""
    given = evaluation.folder
    if given is None:
        return []
    items = given if isinstance(given, list) else [given]
    return ["" if item is None else str(item) for item in items] or [""]
