"""What goes into a package and comes out of it: numpy arrays checked, and turned into tensors and back.

Images are uint8 arrays: height, width, 3 in RGB order whatever the layout that the package declares,
or height, width for `GRAYSCALE`; `GRAYSCALE_FLOAT16` is an fp16 array of height, width. A program sees
them as B, C, H, W with values of 0 to 255 and the channels in the declared order.
"""

import numpy as np
import torch
from torch import Tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.blob import WHOLE
from pipersr_build.mil.graph import Shape, TensorType
from pipersr_build.mil.package import Feature
from pipersr_build.mil.values import HELD, Semantics, held

_CHANNELS = {"RGB": 3, "BGR": 3, "GRAYSCALE": 1, "GRAYSCALE_FLOAT16": 1}


def check(feature: Feature, declared: TensorType | None) -> None:
    """Check that the interpreter can give the program this feature, or take it from the program.

    Raises:
        InputError: the program does not have it, or it is neither a tensor nor an image of B, C, H, W.
    """
    what = f"{feature.kind} {feature.name!r} ({feature.layout or feature.dtype})"
    known = {"tensor": feature.dtype in dtypes.NUMPY, "image": feature.layout in _CHANNELS}
    if declared is None:
        raise InputError(f"the program does not have the {what} of its description", fix=WHOLE)
    if not known.get(feature.kind, False) or declared.dtype not in HELD:
        fix = "export the package with tensors, or with images of layout RGB, BGR or grayscale"
        raise InputError(f"the interpreter cannot use the {what}", fix=fix)
    if feature.kind == "image" and len(declared.shape) != 4:
        raise InputError(f"the {what} is {declared} in the program, not B, C, H, W", fix=WHOLE)


def to_tensor(feature: Feature, declared: TensorType, array: object) -> Tensor:
    """The array that a caller gives for an input, as the program takes it.

    Raises:
        InputError: another shape or dtype than declared, or no array; says what is expected and given.
    """
    shape, dtype = _expected(feature, declared)
    if not isinstance(array, np.ndarray):
        raise _mismatch(feature, shape, dtype, type(array).__name__)
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        raise _mismatch(feature, shape, dtype, f"{array.dtype} of shape {array.shape}")
    if feature.kind == "tensor":
        return held(array, feature.dtype)
    planes = torch.from_numpy(array.astype(np.float32)).reshape(1, *array.shape[:2], -1).permute(0, 3, 1, 2)
    return planes.flip(1) if feature.layout == "BGR" else planes


def from_tensor(feature: Feature, value: Tensor, semantics: Semantics) -> np.ndarray:
    """A result of the program as its caller sees it.

    Images are clamped to 0..255 and rounded to the nearest integer, halves to the even one (NaN is 0);
    how Core ML itself rounds them is not documented. Values of type fp16 are fp16 arrays, but
    float32 arrays with the semantics `fp32`, which does not round them.
    """
    value = value.float() if value.dtype is torch.bfloat16 else value  # numpy does not have it
    if feature.kind == "tensor":
        kept = feature.dtype == "fp16" and semantics == "fp32"
        return _array(value, "fp32" if kept else feature.dtype)
    planes = value[0].flip(0) if feature.layout == "BGR" else value[0]
    if feature.layout == "GRAYSCALE_FLOAT16":
        return _array(planes[0], "fp16")
    pixels = torch.nan_to_num(planes).clamp(0, 255).round()
    return _array(pixels[0] if feature.layout == "GRAYSCALE" else pixels.permute(1, 2, 0), "uint8")


def _array(value: Tensor, dtype: str) -> np.ndarray:
    """A copy; PyTorch rounds to fp16 without numpy's warning of an overflow."""
    exact = value.half() if dtype == "fp16" else value
    return np.array(exact.numpy(), dtypes.NUMPY[dtype], order="C")


def _expected(feature: Feature, declared: TensorType) -> tuple[Shape, np.dtype]:
    """The array's shape (None: any extent) and dtype; the program's shape tells fixed from flexible."""
    if feature.kind == "tensor":
        return declared.shape, dtypes.NUMPY[feature.dtype]
    size = declared.shape[2:]
    colour = (3,) if _CHANNELS[feature.layout] == 3 else ()
    return (*size, *colour), np.dtype(np.float16 if feature.layout == "GRAYSCALE_FLOAT16" else np.uint8)


def _mismatch(feature: Feature, shape: Shape, dtype: np.dtype, given: str) -> InputError:
    wanted = ", ".join("any" if n is None else str(n) for n in shape)
    return InputError(
        f"{feature.kind} input {feature.name!r} must be an array of {dtype} of shape ({wanted}), got {given}",
        fix="give the input in the shape and type that the package declares",
    )
