"""Bicubic resizing that equals MATLAB's `imresize`, which made the field's LR pictures.

Kernel: R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6),
1981, with a = -1/2. Geometry, widening when reducing, border and rounding follow the documentation and
behaviour of MATLAB R2017b's `imresize(image, scale, 'bicubic')`.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.images import check_rgb
from pipersr_build.errors import InputError
from pipersr_build.scales import ratio, to_hr, to_lr

_KERNEL_WIDTH = 4.0
_COLUMNS = 64  # computed together: few enough to stay in the processor's cache

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64])


def imresize(
    image: Pixels,
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
) -> Pixels:
    """Resize by `scale`, or to `size` (height, width); exactly one of the two is given.

    Args:
        image: height, width or height, width, channels. uint8 is rounded (half away from zero) and
            clipped after each dimension, as MATLAB does; float is computed in float64, neither rounded
            nor clipped, and returned in its own type.
        scale: the factor of both dimensions; the output has ceil(length * scale) pixels.
        size: the output's height and width; each dimension has its own factor.
        antialias: widen the kernel by 1 / scale where the image shrinks.

    Raises:
        ValueError: another dtype or rank, an empty image, or a scale or size that is not positive.
    """
    sizes, scales = _geometry(image.shape, scale, size)
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise ValueError(f"expected uint8, float32 or float64, got {image.dtype}")
    # MATLAB shrinks first what shrinks most; rows (down the height) come first where both are equal.
    result: NDArray[np.generic] = image
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):
        weights, indices = contributions(image.shape[axis], sizes[axis], scales[axis], antialias)
        resized = _along(result, weights, indices, axis)
        result = _to_uint8(resized) if image.dtype == np.uint8 else resized
    return result.astype(image.dtype, copy=False)


def contributions(
    length: int, out_length: int, scale: float, antialias: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Which input pixels make each output pixel of one dimension, and how much of each.

    Returns:
        weights and indices, both of shape out_length, taps; each row of weights sums to 1. Pixels
        beyond the border are those mirrored at it, the border pixel included.
    """
    shrink = scale if antialias and scale < 1 else 1.0
    width = _KERNEL_WIDTH / shrink
    # Output centre x lies at u in the input; both count from 1, as in MATLAB.
    u = np.arange(1, out_length + 1) / scale + 0.5 * (1 - 1 / scale)
    first = np.floor(u - width / 2)
    positions = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = shrink * _cubic(shrink * (u[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    indices = mirror[np.mod(positions.astype(np.int64) - 1, 2 * length)]
    used = np.any(weights != 0, axis=0)
    return weights[:, used], indices[:, used]


def crop_to_multiple(image: Pixels, scale: float) -> Pixels:
    """Cut rows at the bottom and columns at the right until LR pixels fill it: multiples of a whole `scale`.

    Raises:
        InputError: nothing would be left.
    """
    multiple = ratio(scale)[0]
    height, width = (length - length % multiple for length in image.shape[:2])
    if height == 0 or width == 0:
        raise InputError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels cannot be reduced {scale:g} times",
            fix="use a larger image",
        )
    return image[:height, :width]


def downscale(hr: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The field's LR picture of an HR picture, both uint8 of shape height, width, 3.

    `hr` is cropped (`crop_to_multiple`), then reduced as by MATLAB's `imresize(hr, 1/scale, 'bicubic')`.

    Raises:
        InputError: `hr` is smaller than `scale` pixels.
    """
    check_rgb(hr)
    cropped = crop_to_multiple(hr, scale)
    return imresize(cropped, size=(to_lr(cropped.shape[0], scale), to_lr(cropped.shape[1], scale)))


def upscale_bicubic(lr: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """A picture enlarged by MATLAB's bicubic, the baseline; uint8 of shape height, width, 3."""
    check_rgb(lr)
    return imresize(lr, size=(to_hr(lr.shape[0], scale), to_hr(lr.shape[1], scale)))


def _geometry(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"expected height, width[, channels], none of them 0, got shape {shape}")
    if (scale is None) == (size is None):
        raise ValueError("give a scale or a size, one of the two")
    if size is not None:
        if min(size) < 1:
            raise ValueError(f"the size must be positive, got {size}")
        return size, (size[0] / shape[0], size[1] / shape[1])
    assert scale is not None
    if not 0 < scale < math.inf:
        raise ValueError(f"the scale must be positive, got {scale}")
    return (math.ceil(shape[0] * scale), math.ceil(shape[1] * scale)), (scale, scale)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel with a = -1/2, zero beyond 2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _along(
    image: NDArray[np.generic], weights: NDArray[np.float64], indices: NDArray[np.int64], axis: int
) -> NDArray[np.float64]:
    """Weighted sums along one axis. Taps are added in order, so the result does not depend on threads."""
    lines = np.ascontiguousarray(np.moveaxis(image, axis, 0))
    flat = lines.reshape(len(lines), -1)
    out = np.zeros((len(weights), flat.shape[1]))
    for start in range(0, flat.shape[1], _COLUMNS):
        part = flat[:, start : start + _COLUMNS].astype(np.float64)
        total = out[:, start : start + _COLUMNS]
        for tap in range(weights.shape[1]):
            total += weights[:, tap, None] * part[indices[:, tap]]
    return np.moveaxis(out.reshape(len(weights), *lines.shape[1:]), 0, axis)


def _to_uint8(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Half away from zero: what is below 0 is clipped, so adding one half and cutting is enough."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
