"""The networks, in one explicit table: family name -> configuration, builder, facts."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from pipersr_build.models import pipersr
from pipersr_build.models.facts import Facts


@dataclass(frozen=True)
class Family:
    """How to configure, build and describe the networks of one family."""

    config: type[Any]
    build: Callable[[Any], nn.Module]
    facts: Callable[[Any], Facts]


FAMILIES: dict[str, Family] = {
    "pipersr": Family(pipersr.PiperSRConfig, pipersr.PiperSR, pipersr.facts),
}


def build(config: Any) -> nn.Module:
    """Build the untrained network that `config` (a family's configuration object) describes."""
    return FAMILIES[config.family].build(config)


def facts(config: Any) -> Facts:
    """The facts of the network that `config` describes."""
    return FAMILIES[config.family].facts(config)


def describe(config: Any) -> dict[str, Any]:
    """The configuration as plain data: what weights files and evidence record."""
    return asdict(config)


def parameters(network: nn.Module) -> int:
    """Number of trainable parameters (running statistics are not counted)."""
    return sum(p.numel() for p in network.parameters())
