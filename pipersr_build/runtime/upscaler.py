"""Upscale pictures with an image package."""

from collections.abc import Callable

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature, Package
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.tiling import upscale_tiled

HALO_KEY = "pipersr_build.halo"  # written into our packages; others get the cautious guess below


def package_upscaler(package: Package, semantics: Semantics = "fp16") -> Callable[[np.ndarray], np.ndarray]:
    """The package, run by the MIL interpreter tile by tile, as a function between 8-bit pictures.

    Raises:
        InputError: the package does not take and return one square RGB image, does not upscale, or its
            tile is too small for its halo.
    """
    source, result = _image_pair(package)
    tile, scale = source.shape[0] or 0, package_scale(package)
    margin = halo(package, tile)
    interpreter = Interpreter(package, semantics=semantics)

    def run(piece: np.ndarray) -> np.ndarray:
        output: np.ndarray = interpreter.run({source.name: piece})[result.name]
        return output

    def upscale(rgb: np.ndarray) -> np.ndarray:
        return upscale_tiled(rgb, run, tile=(tile, tile), halo=(margin, margin), scale=scale)

    return upscale


def package_scale(package: Package) -> float:
    """How many times larger the package's output picture is than its input.

    Raises:
        InputError: as `package_upscaler`.
    """
    source, result = _image_pair(package)
    return whole_or_half(source.shape[0] or 1, result.shape[0] or 0)


def whole_or_half(length: int, enlarged: int) -> float:
    """The scale from a length to what it is enlarged to, an int where it is whole; 0 for other ratios."""
    if enlarged % length == 0:
        return enlarged // length
    return enlarged / length if 2 * enlarged % length == 0 and length % 2 == 0 else 0


def halo(package: Package, length: int) -> int:
    """The halo in LR pixels that the package says it needs; an eighth of the tile where it says nothing.

    Args:
        package: of any contract.
        length: of the tile along one axis, in LR pixels.

    Raises:
        InputError: it leaves nothing of the tile.
    """
    declared = package.spec.description.metadata.userDefined.get(HALO_KEY, "")
    halo = int(declared) if declared.isdigit() else length // 8
    if length <= 2 * halo:
        what = f"its tile of {length} pixels is too small for the overlap of {halo} that it needs"
        raise InputError(
            what, where=package.path, fix=f"use a package with a tile of at least {2 * halo + 1} pixels"
        )
    return halo


def _image_pair(package: Package) -> tuple[Feature, Feature]:
    interface = package.interface
    images = [*interface.inputs, *interface.outputs]
    if len(images) != 2 or any(feature.kind != "image" or feature.shape[-1] != 3 for feature in images):
        raise InputError(
            "the package does not take and return one RGB image",
            where=package.path,
            fix="use an image package (image_128.mlpackage)",
        )
    source, result = images
    (height, width, _), (out_height, out_width, _) = source.shape, result.shape
    if height != width or not height or out_height != out_width or not whole_or_half(height, out_height or 0):
        raise InputError(
            f"the package's tile {source.shape} -> {result.shape} is not a square upscaling",
            where=package.path,
        )
    return source, result
