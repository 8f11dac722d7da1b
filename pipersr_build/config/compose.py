"""Compose the configuration from the schemas, `conf/` and overrides."""

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipersr_build import models
from pipersr_build.config.checks import check
from pipersr_build.config.schemas import Config
from pipersr_build.errors import InputError
from pipersr_build.shipped import conf_dir


def load(overrides: Sequence[str] = ()) -> Config:
    """Compose the configuration with Hydra overrides and check it.

    Raises:
        InputError: an unknown key or group, a value of the wrong type, or one that makes no sense.
    """
    for override in overrides:
        if override.startswith(("+", "~")):
            raise InputError(f"{override!r} would add or delete a key", where="configuration", fix=_HELP)
    try:
        config = OmegaConf.to_object(_composed(conf_dir(), tuple(overrides)))
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise InputError(_first_lines(error), where="configuration", fix=_HELP) from error
    assert isinstance(config, Config)
    check(config)
    return config


@cache
def _store_schemas() -> None:
    """Tell Hydra what the values' types are."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name, family in models.FAMILIES.items():
        store.store(group="model", name=f"{name}_schema", node=family.config)


@lru_cache(maxsize=256)  # composing takes 0.1 s, and sweeps and tests ask for the same again
def _composed(folder: Path, overrides: tuple[str, ...]) -> DictConfig:
    _store_schemas()
    with initialize_config_dir(str(folder), version_base="1.3"):
        return compose("config", list(overrides))


_HELP = "see the keys with: pipersr-build config"


_NOISE = ("full_key", "object_type", "reference_type", "set_struct", "Set the env", "Config search path",
          "provider=", "See https", "To append")  # fmt: skip


def _first_lines(error: BaseException) -> str:
    """Hydra's message, with its cause where that says more, on one line."""
    parts = [str(error), str(error.__cause__ or "")]
    lines = [line.strip() for part in parts for line in part.splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(dict.fromkeys(kept))
