"""What a package says about itself: in Core ML's own fields, and under keys of ours.

Xcode shows all of it; `pipersr-build inspect` reads it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipersr_build.export.contracts import INPUT, NEXT, OUTPUT, PREVIOUS, Contract

PREFIX = "pipersr_build."
SCALE, TILE, FRAME, TARGET = f"{PREFIX}scale", f"{PREFIX}tile", f"{PREFIX}frame", f"{PREFIX}target"
RANGE, LAYOUT, COLOUR = f"{PREFIX}range", f"{PREFIX}layout", f"{PREFIX}colour"
WEIGHTS, TRAINING = f"{PREFIX}weights_sha256", f"{PREFIX}training_sha256"
NETWORK, SOURCE = f"{PREFIX}network", f"{PREFIX}source"
TOOLKIT, COMMIT = f"{PREFIX}toolkit", f"{PREFIX}git_commit"

_COLOURS = "R, G, B with the transfer function of the picture (not linear light), full range"


@dataclass(frozen=True)
class About:
    """What does not follow from the network: who made the package, its licence, its version.

    Attributes:
        author: for Core ML's field of that name.
        licence: likewise; an SPDX identifier or a sentence.
        version: of the package, not of the toolkit.
        values: further facts, by key; see the keys of this module.
    """

    author: str = ""
    licence: str = ""
    version: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


NOBODY = About()


def contract_values(contract: Contract) -> dict[str, str]:
    """What a contract means for those who run the package, by key."""
    size = f"{contract.width}x{contract.height}"
    if contract.kind == "image":
        return {TILE: size, RANGE: "0 to 255, 8 bits", LAYOUT: "pixel buffer", COLOUR: _COLOURS}
    return {FRAME: size, **frame_values()}


def frame_values() -> dict[str, str]:
    """What all video packages share; see `contract_values`."""
    return {RANGE: "0 to 1, Float16", LAYOUT: "1, 3, height, width", COLOUR: _COLOURS}


def describe_features(description: Any) -> None:
    """Write what each input and output is into a description message of Core ML's, in place.

    Args:
        description: of a model, or of one function of several.
    """
    for feature in (*description.input, *description.output):
        if feature.name in _FEATURES:
            feature.shortDescription = _said(feature)


def _said(feature: Any) -> str:
    what = _FEATURES[feature.name]
    if feature.type.WhichOneof("Type") == "imageType":
        image = feature.type.imageType
        return f"{what}: RGB picture, {image.width}x{image.height}, 8 bits a channel (0 to 255)."
    shape = ", ".join(map(str, feature.type.multiArrayType.shape))
    values = "any value" if feature.name in (PREVIOUS, NEXT) else "R, G, B in [0, 1]"
    return f"{what}: Float16 tensor {shape} (batch, channels, height, width), {values}."


_FEATURES = {
    INPUT: "What is to be enlarged",
    OUTPUT: "The enlarged picture",
    PREVIOUS: "The state that the frame before left; zeros with a first frame",
    NEXT: "The state to give with the next frame",
}
