"""Packages of both contracts as methods to evaluate: functions between 8-bit pictures.

An image package takes tiles, a video package one frame size; both are run by the MIL interpreter on
any picture, tile by tile. A frame's tensor is made of a tile as of a decoded frame: 8-bit levels
divided by 255, in the tensor's own type; its result is clipped and rounded to 8 bits. A package that
remembers the frame before is given zeros for its state, which say that there is none: every tile is a first
frame.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipersr_build.errors import InputError
from pipersr_build.evaluation.testset import Upscale
from pipersr_build.mil import dtypes
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature, Package
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.tiling import upscale_tiled
from pipersr_build.runtime.upscaler import halo, package_scale, package_upscaler, whole_or_half

_FLOATS = ("fp16", "fp32")


@dataclass(frozen=True)
class Method:
    """A package ready to be evaluated: what it does, to which size of tile (height, width), how large.

    Attributes:
        state: it could remember the frame before; here it is given none.
    """

    upscale: Upscale
    scale: float
    contract: Literal["image", "video"]
    tile: tuple[int, int]
    state: bool = False


@dataclass(frozen=True)
class _Frames:
    """The frame that a package takes and the one it returns: 1, 3, H, W and 1, 3, scale H, scale W."""

    source: Feature
    result: Feature
    size: tuple[int, int]
    scale: float
    blank: dict[str, NDArray[np.floating]]  # the state of a first frame, by its name, where there is one


def open_method(package: Package, semantics: Semantics = "fp16") -> Method:
    """The package as a function from uint8 height, width, 3 to uint8 scale height, scale width, 3.

    Raises:
        InputError: it neither takes and returns one RGB image nor one tensor of one frame size, does
            not enlarge, or its tile is too small for the overlap that it needs.
    """
    if any(feature.kind == "image" for feature in package.interface.inputs):
        upscale, scale = package_upscaler(package, semantics), package_scale(package)
        tile = package.interface.inputs[0].shape[0] or 0
        method = Method(upscale, scale, "image", (tile, tile))
    else:
        frames = _frames(package)
        upscale, state = _frame_upscaler(package, frames, semantics), bool(frames.blank)
        method = Method(upscale, frames.scale, "video", frames.size, state)
    if method.scale <= 1:
        raise InputError("the package does not enlarge pictures", where=package.path)
    return method


def _frames(package: Package) -> _Frames:
    inputs, outputs, blank = package.interface.inputs, package.interface.outputs, {}
    if (takes := recurrence(package)) is not None:
        inputs, outputs, blank = (takes.frame,), (takes.result,), {takes.before.name: takes.no_state()}
    types = package.main.types()
    shapes = [types[f.name].extents for f in (*inputs, *outputs) if _is_tensor(f) and f.name in types]
    fits = len(inputs) == len(outputs) == 1 and len(shapes) == 2
    if not fits or any(len(s) != 4 or s[:2] != (1, 3) or 0 in s for s in shapes):
        raise InputError(
            "the package takes and returns neither one RGB image nor one frame tensor 1, 3, H, W",
            where=package.path,
            fix="evaluate an image package (image_128.mlpackage) or a video package (video_360p.mlpackage)",
        )
    (*_, height, width), (*_, out_height, out_width) = shapes
    scale = whole_or_half(height, out_height)
    if (out_height, out_width) != (scale * height, scale * width):
        sizes = f"{width}x{height} -> {out_width}x{out_height}"
        raise InputError(f"the package's frame {sizes} is not an enlargement", where=package.path)
    return _Frames(inputs[0], outputs[0], (height, width), scale, blank)


def _is_tensor(feature: Feature) -> bool:
    return feature.kind == "tensor" and feature.dtype in _FLOATS and not feature.flexible


def _frame_upscaler(package: Package, frames: _Frames, semantics: Semantics) -> Upscale:
    interpreter = Interpreter(package, semantics=semantics)
    halos = halo(package, frames.size[0]), halo(package, frames.size[1])
    dtype = dtypes.NUMPY[frames.source.dtype]

    def run(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
        planes = (tile.astype(np.float32) / 255).astype(dtype).transpose(2, 0, 1)[None]
        result = interpreter.run({frames.source.name: planes, **frames.blank})[frames.result.name]
        return to_rgb(result[0])

    def upscale(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return upscale_tiled(lr, run, tile=frames.size, halo=halos, scale=frames.scale)

    return upscale


def to_rgb(planes: NDArray[np.floating]) -> NDArray[np.uint8]:
    """3, H, W of [0, 1] as 8-bit height, width, 3: clipped, then rounded (NaN is 0)."""
    levels = np.rint(np.clip(np.nan_to_num(planes.astype(np.float32), nan=0.0), 0, 1) * 255)
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
