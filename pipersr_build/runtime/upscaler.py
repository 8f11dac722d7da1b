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
        InputError: the package does not take and return one square RGB image, or does not upscale.
    """
    source, result = _image_pair(package)
    tile, scale = source.shape[0] or 0, package_scale(package)
    interpreter = Interpreter(package, semantics=semantics)

    def run(piece: np.ndarray) -> np.ndarray:
        output: np.ndarray = interpreter.run({source.name: piece})[result.name]
        return output

    def upscale(rgb: np.ndarray) -> np.ndarray:
        return upscale_tiled(rgb, run, tile=tile, halo=halo(package, tile), scale=scale)

    return upscale


def package_scale(package: Package) -> int:
    """How many times larger the package's output picture is than its input.

    Raises:
        InputError: as `package_upscaler`.
    """
    source, result = _image_pair(package)
    return (result.shape[0] or 0) // (source.shape[0] or 1)


def halo(package: Package, tile: int) -> int:
    """The overlap that the package says it needs; an eighth of the tile where it says nothing."""
    declared = package.spec.description.metadata.userDefined.get(HALO_KEY, "")
    return int(declared) if declared.isdigit() else tile // 8


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
    if height != width or not height or out_height != out_width or (out_height or 0) % height:
        raise InputError(
            f"the package's tile {source.shape} -> {result.shape} is not a square upscaling",
            where=package.path,
        )
    return source, result
