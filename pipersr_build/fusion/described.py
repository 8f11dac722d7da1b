"""Keep a network's own configuration true when the network is transformed."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import nn


def described(network: nn.Module, **changes: Any) -> nn.Module:
    """Return `network` with these values in its `config`, as far as that has them: for a copy just made."""
    config = getattr(network, "config", None)
    if is_dataclass(config) and not isinstance(config, type):
        known = {field.name for field in fields(config)}
        kept = {key: value for key, value in changes.items() if key in known}
        network.config = replace(config, **kept)  # type: ignore[assignment]
    return network
