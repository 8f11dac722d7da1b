"""Resizing the last axes of a value to a grid that a sampling mode defines.

Modes, for an axis of n elements and m grid points (i = 0..m-1), as coremltools' `resize_bilinear`
defines them: STRICT_ALIGN_CORNERS i·(n-1)/(m-1); ALIGN_CORNERS the same, but (n-1)/2 for m = 1;
DEFAULT i·n/m; OFFSET_CORNERS (i + ½)·max(1, n-1)/m; UNALIGN_CORNERS (i + ½)·n/m - ½.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops.arguments import Ints, one_of

# The modes that are PyTorch's own interpolation, which is faster: name -> align_corners.
_NATIVE = {"STRICT_ALIGN_CORNERS": True, "UNALIGN_CORNERS": False}


def grid(mode: str, start: float, length: float, points: int) -> Tensor:
    """The grid points (float64) of `mode` over an interval from `start` to `start + length`."""
    at = torch.arange(points, dtype=torch.float64)
    centred = mode == "ALIGN_CORNERS" and points == 1
    spacings = {
        "STRICT_ALIGN_CORNERS": (0.0, length / max(1, points - 1)),
        "ALIGN_CORNERS": (length / 2 if centred else 0.0, length / max(1, points - 1)),
        "DEFAULT": (0.0, (length + 1) / points),
        "OFFSET_CORNERS": (max(1.0, length) / points / 2, max(1.0, length) / points),
        "UNALIGN_CORNERS": ((length + 1) / points / 2 - 0.5, (length + 1) / points),
    }
    first, spacing = one_of("sampling_mode", mode, spacings)
    return start + first + at * spacing


def resize_bilinear(
    x: Tensor, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    """The last two axes resized by linear interpolation between grid neighbours."""
    return _linear(x, [target_size_height, target_size_width], sampling_mode)


def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """The last two axes resized; point i takes element floor(i · n / m)."""
    return _nearest(x, [target_size_height, target_size_width])


def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """As `resize_bilinear`, to floor(extent · scale) with the scale recomputed from that size.

    Raises:
        ValueError: aligned corners together with half-pixel centres, which contradict each other.
    """
    half = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and half:
        raise ValueError("align_corners and half_pixel_centers exclude each other")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if half else "DEFAULT"
    return _linear(x, _scaled(x, scale_factor_height, scale_factor_width), mode)


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """As `resize_nearest_neighbor`, to floor(extent · scale)."""
    return _nearest(x, _scaled(x, scale_factor_height, scale_factor_width))


def resize(
    x: Tensor,
    shape: Ints,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last `resized_dims` axes resized to the last numbers of `shape`; 0 keeps an extent.

    Unlike `resize_nearest_neighbor`, NEAREST_NEIGHBOR here takes the element nearest to the grid point
    (published expected values of coremltools' tests); halves go up, which is not documented.
    """
    own = [*x.shape[x.dim() - resized_dims :]]
    sizes = [new or old for new, old in zip(shape[len(shape) - resized_dims :], own, strict=True)]
    if one_of("interpolation_mode", interpolation_mode, {"LINEAR": True, "NEAREST_NEIGHBOR": False}):
        return _linear(x.float(), sizes, sampling_mode)
    for axis, points in enumerate(sizes, start=x.dim() - resized_dims):
        last = x.shape[axis] - 1
        nearest = torch.floor(grid(sampling_mode, 0.0, last, points) + 0.5).clamp_(0, last)
        x = x.index_select(axis, nearest.long())
    return x


def _scaled(x: Tensor, height: float, width: float) -> Ints:
    return [math.floor(x.shape[-2] * height), math.floor(x.shape[-1] * width)]


def _nearest(x: Tensor, sizes: Ints) -> Tensor:
    for axis, points in zip((-2, -1), sizes, strict=True):
        if points != x.shape[axis]:
            x = x.index_select(axis, torch.arange(points) * x.shape[axis] // points)
    return x


def _linear(x: Tensor, sizes: Ints, mode: str) -> Tensor:
    if len(sizes) == 2 and mode in _NATIVE and x.dim() >= 3:
        images = x if x.dim() == 4 else x.reshape(1, -1, *x.shape[-2:])
        resized = F.interpolate(images, sizes, mode="bilinear", align_corners=_NATIVE[mode])
        return resized.reshape(*x.shape[:-2], *sizes) if x.dim() != 4 else resized
    for axis, points in enumerate(sizes, start=x.dim() - len(sizes)):
        x = interpolate(x, axis, grid(mode, 0.0, x.shape[axis] - 1, points))
    return x


def interpolate(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """Linear interpolation of `x` along `axis` at `points`, moved into the axis where outside."""
    inside = points.clamp(0, x.shape[axis] - 1)
    low = inside.floor()
    high = (low + 1).clamp_(max=x.shape[axis] - 1)
    weight = (inside - low).float().reshape([-1] + [1] * (x.dim() - 1 - axis))
    return torch.lerp(x.index_select(axis, low.long()), x.index_select(axis, high.long()), weight)
