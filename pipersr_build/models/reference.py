"""The reference weights that come with the toolkit."""

from pathlib import Path
from typing import Any

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models.weights import describe_weights
from pipersr_build.shipped import shipped

FOLDER, FIRST = "weights", "pipersr_2x.safetensors"


def reference_weights(config: Any) -> Path:
    """The shipped weights of the network that `config` describes.

    Raises:
        InputError: none are shipped for this network.
    """
    folder = shipped(FOLDER, FIRST)
    for path in sorted(folder.glob("*.safetensors")) if folder else []:
        if describe_weights(path) == models.describe(config):
            return path
    raise InputError(
        "no weights are given, and none come with the toolkit for this network",
        where="configuration key weights",
        fix="say weights=runs/NAME/weights.safetensors; train some with: pipersr-build train",
    )
