"""What a package enlarges: its contract, its size, its scale and its halo, read from its description."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.graph import TensorType
from pipersr_build.mil.package import Feature, Interface, Package

HALO_KEY = "pipersr_build.halo"  # written into our packages; others get the cautious guess below
_FLOATS = ("fp16", "fp32")


@dataclass(frozen=True)
class Enlargement:
    """One function of a package that enlarges a picture or a frame.

    Attributes:
        kind: `image`: uint8 height, width, 3; `video`: a tensor 1, 3, H, W in [0, 1].
        source: the name of the input.
        result: the name of the output.
        size: height and width that it takes, in LR pixels.
        scale: HR pixels per LR pixel; an int where it is whole.
        dtype: of the input's samples.
        state: of a package that remembers the frame before: the names of its second input and output.
    """

    kind: Literal["image", "video"]
    source: str
    result: str
    size: tuple[int, int]
    scale: float
    dtype: np.dtype
    state: tuple[str, str] | None = None


def enlargement(package: Package, function: str | None = None) -> Enlargement:
    """What the function of a package enlarges; of its default function where none is named.

    Raises:
        InputError: it takes or returns anything but one RGB image, or one frame tensor of a fixed size (and
            perhaps a state), or it does not enlarge.
    """
    name = package.default if function is None else function
    if name not in package.interfaces or name not in package.functions:
        known = ", ".join(package.functions)
        raise InputError(f"the package has no function {name!r}", where=package.path, fix=f"choose {known}")
    interface, types = package.interfaces[name], package.functions[name].types()
    source, result = _picture(interface.inputs, types), _picture(interface.outputs, types)
    if source is None or result is None or source.kind != result.kind:
        raise _no_picture(package)
    (height, width), enlarged = _size(source, types), _size(result, types)
    scale = whole_or_half(height, enlarged[0])
    if scale <= 1 or enlarged != (scale * height, scale * width):
        what = f"the package makes {enlarged[1]}x{enlarged[0]} of {width}x{height}, which is no enlargement"
        raise InputError(what, where=package.path, fix="use a package of a super-resolution network")
    dtype = np.dtype(np.uint8) if source.kind == "image" else dtypes.NUMPY[source.dtype]
    kind: Literal["image", "video"] = "image" if source.kind == "image" else "video"
    state = _state(package, interface, source, result)
    return Enlargement(kind, source.name, result.name, (height, width), scale, dtype, state)


def whole_or_half(length: int, enlarged: int) -> float:
    """The scale from a length to what it is enlarged to, an int where it is whole; 0 for other ratios."""
    if enlarged % length == 0:
        return enlarged // length
    return enlarged / length if 2 * enlarged % length == 0 and length % 2 == 0 else 0


def declared_halo(package: Package, length: int) -> int:
    """The halo in LR pixels that the package says it needs; an eighth of the length where it says nothing."""
    declared = package.spec.description.metadata.userDefined.get(HALO_KEY, "")
    return int(declared) if declared.isascii() and declared.isdigit() else length // 8


Types = dict[str, TensorType]


def _picture(features: tuple[Feature, ...], types: Types) -> Feature | None:
    """The one feature that can be a picture of three channels; the other, if any, is a state."""
    found = [f for f in features if min(_size(f, types)) > 0]
    return found[0] if len(found) == 1 and len(features) <= 2 else None


def _size(feature: Feature, types: Types) -> tuple[int, int]:
    """Height and width of a picture or frame of a fixed size; 0, 0 of anything else.

    A tensor's shape is the program's: descriptions may leave it out.
    """
    if feature.flexible:
        return 0, 0
    if feature.kind == "image":
        return (feature.shape[0] or 0, feature.shape[1] or 0) if feature.shape[-1] == 3 else (0, 0)
    shape = types[feature.name].extents if feature.name in types else ()
    fits = feature.kind == "tensor" and feature.dtype in _FLOATS and len(shape) == 4 and shape[:2] == (1, 3)
    return (shape[2], shape[3]) if fits else (0, 0)


def _state(
    package: Package, interface: Interface, source: Feature, result: Feature
) -> tuple[str, str] | None:
    """The names of the other input and output, of a package that remembers the frame before."""
    before = [f.name for f in interface.inputs if f is not source]
    after = [f.name for f in interface.outputs if f is not result]
    if not before and not after:
        return None
    if len(before) != 1 or len(after) != 1 or source.kind != "tensor":
        raise _no_picture(package)
    return before[0], after[0]


def _no_picture(package: Package) -> InputError:
    return InputError(
        "the package takes and returns neither one RGB image nor one frame tensor 1, 3, H, W of a fixed size",
        where=package.path,
        fix="use an image package (image_128.mlpackage) or a video package (video_360p.mlpackage)",
    )
