"""The configuration: typed schemas, composition from `conf/` with overrides, cross-field checks.

Defaults live here; the YAML files hold only what makes a variant differ from them.
"""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.files import SAFE_NAME

CORPORA = ("photos", "folder")
PRECISIONS = ("auto", "fp32", "bf16")
DEPLOYMENT_TARGETS = ("macOS13", "macOS14", "macOS15")
PROTOCOLS = ("y_float", "y_uint8", "rgb_uint8")


@dataclass
class DataConfig:
    """Which pictures to train on and which to hold out."""

    corpus: str = "photos"  # photos: shipped with scikit-image; folder: any tree of images
    folder: str | None = None
    holdout: Any = 10  # folder only: how many, taken evenly; or a list of names; or a file of them


@dataclass
class TrainingConfig:
    """The training schedule. Defaults are the quickstart's."""

    steps: int = 700
    batch: int = 16
    patch: int = 32  # LR pixels
    learning_rate: float = 2e-3
    warmup: int = 20  # steps of linear warm-up before the cosine
    clip_gradient: float = 1.0  # norm; 0 switches it off
    precision: str = "auto"  # auto: bf16 where the processor has it, else fp32
    validate_every: int = 100
    log_every: int = 10
    threads: int | None = None  # None: torch's own choice


@dataclass
class ImageExport:
    """The tile package: 8-bit RGB in and out, for any picture by tiling."""

    enabled: bool = True
    tile: int = 128  # LR pixels, square


@dataclass
class VideoExport:
    """The frame packages: Float16 tensors of one locked size each."""

    enabled: bool = True
    size: Any = "360p,480p,540p"  # names or WxH, as a list or separated by commas


@dataclass
class ExportConfig:
    """Which packages to make."""

    image: ImageExport = field(default_factory=ImageExport)
    video: VideoExport = field(default_factory=VideoExport)


@dataclass
class TargetConfig:
    """The oldest system that the packages must run on."""

    deployment: str = "macOS13"  # with the iOS version of the same year


@dataclass
class PlacementConfig:
    """The engine whose rules are applied."""

    chip: str = "h16"  # ANE family: h13 (A14, M1) … h16 (A17 Pro, M4) … h18 (A19, M6)


@dataclass
class EvaluationConfig:
    """What to measure quality on, and how. Without a folder: the corpus' held-out pictures."""

    protocol: str = "y_float"
    folder: str | None = None  # HR pictures, or a folder with HR/ and LRx2/


@dataclass
class Config:
    """The whole configuration."""

    name: str = "quickstart"
    seed: int = 0
    weights: str | None = None
    exports: str = "exports"
    runs: str = "runs"
    model: Any = None
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


def conf_dir() -> Path:
    """The folder with the YAML files: inside an installed package, or beside it in a checkout.

    Raises:
        InputError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise InputError("the configuration folder is missing", where=package, fix="reinstall pipersr-build")


def load(overrides: Sequence[str] = ()) -> Config:
    """Compose the configuration with Hydra overrides and check it.

    Raises:
        InputError: an unknown key or group, a value of the wrong type, or one that makes no sense.
    """
    for override in overrides:
        if override.startswith(("+", "~")):
            raise InputError(f"{override!r} would add or delete a key", where="configuration", fix=_HELP)
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name, family in models.FAMILIES.items():
        store.store(group="model", name=f"{name}_schema", node=family.config)
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            composed = compose("config", list(overrides))
        config = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise InputError(_first_lines(error), where="configuration", fix=_HELP) from error
    assert isinstance(config, Config)
    check(config)
    return config


_HELP = "see the keys with: pipersr-build config"


_NOISE = ("full_key", "object_type", "reference_type", "set_struct", "Set the env", "Config search path",
          "provider=", "See https", "To append")  # fmt: skip


def _first_lines(error: BaseException) -> str:
    """Hydra's message, with its cause where that says more, on one line."""
    parts = [str(error), str(error.__cause__ or "")]
    lines = [line.strip() for part in parts for line in part.splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(dict.fromkeys(kept))


def check(config: Config) -> None:
    """Cross-field checks.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    data, training = config.data, config.training
    _choice("data.corpus", data.corpus, CORPORA)
    _choice("training.precision", training.precision, PRECISIONS)
    _choice("target.deployment", config.target.deployment, DEPLOYMENT_TARGETS)
    _choice("evaluation.protocol", config.evaluation.protocol, PROTOCOLS)
    if data.corpus == "folder" and not data.folder:
        raise _bad("data.folder", data.folder, "a folder of images is needed with data=folder")
    _at_least("seed", config.seed, 0)
    for key in ("steps", "batch", "patch", "validate_every", "log_every"):
        _at_least(f"training.{key}", getattr(training, key), 1)
    _at_least("training.warmup", training.warmup, 0)
    _at_least("training.clip_gradient", training.clip_gradient, 0)
    if training.threads is not None:
        _at_least("training.threads", training.threads, 1)
    if not 0 < training.learning_rate < 1:
        raise _bad("training.learning_rate", training.learning_rate, "it must lie between 0 and 1")
    _at_least("export.image.tile", config.export.image.tile, 8)
    if not SAFE_NAME.fullmatch(config.name):
        raise _bad("name", config.name, "use letters, digits, '_', '-' and '.'")


def plain(config: Config) -> dict[str, Any]:
    """The configuration as plain data for records, without the folders of this machine."""
    shown: dict[str, Any] = _without_folders(asdict(config))
    return shown


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def command_line(name: str, words: Sequence[str]) -> str:
    """What the user typed, for a record: absolute paths are shortened to their last part."""
    shown = (word.rpartition("=") for word in words)
    return shlex.join(
        ["pipersr-build", name, *(f"{key}{sign}{_last_part(value)}" for key, sign, value in shown)]
    )


def _last_part(value: str) -> str:
    """A path without its folders if it is absolute; of a list of values, each."""
    parts = (part.strip() for part in value.strip("[]").split(","))
    kept = ",".join(Path(part).name if Path(part).is_absolute() else part for part in parts)
    return f"[{kept}]" if value.startswith("[") else kept


def _choice(key: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise _bad(key, value, f"choose from {', '.join(allowed)}")


def _at_least(key: str, value: float, least: float) -> None:
    if value < least:
        raise _bad(key, value, f"it must be at least {least}")


def _bad(key: str, value: object, why: str) -> InputError:
    return InputError(f"{key} is {value!r}", where=f"configuration key {key}", fix=why)
