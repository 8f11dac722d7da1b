"""What reading weights gives, whoever trained them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

METADATA_KEY = "pipersr_build"  # one key: safetensors does not keep the order of several
FORMAT = 1  # of what stands there


@dataclass(frozen=True)
class Weights:
    """A network read from disk, in evaluation mode, with what its file says about it."""

    network: nn.Module
    config: Any
    name: str
    path: Path
    sha256: str
