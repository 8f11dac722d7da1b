"""Keep a network's own configuration true when the network is transformed."""

from dataclasses import is_dataclass, replace
from typing import Any

from torch import nn


def described(network: nn.Module, **changes: Any) -> nn.Module:
    """Return `network` with these values in its `config`, if it has one: for a copy just made."""
    config = getattr(network, "config", None)
    if is_dataclass(config) and not isinstance(config, type):
        network.config = replace(config, **changes)  # type: ignore[assignment]
    return network
