"""Convolution and its transpose, in one to three dimensions."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops import padding
from pipersr_build.mil.ops.arguments import Ints, along_channels

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSE: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of x (B, C, *D) with weight (C_out, C / groups, *K); result B, C_out, *D'."""
    ones = [1] * (x.dim() - 2)
    strides, dilations = strides or ones, dilations or ones
    pads = padding.amounts(pad_type, pad, [*x.shape[2:]], [*weight.shape[2:]], strides, dilations)
    both = padding.symmetric(pads)
    if both is None:
        x, both = padding.constant(x, pads), [0] * len(pads)
    if x.dim() == 4:  # oneDNN is up to three times faster in this order, and the result keeps it
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
    return _CONV[len(pads)](x, weight, bias, strides, both, dilations, groups)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """The transpose of `conv`: x (B, C, *D), weight (C, C_out / groups, *K).

    The whole result has (D - 1)·stride + (K - 1)·dilation + 1 elements along an axis. Of them, `custom`
    crops `pad` and `same` crops to D·stride, the odd element at the end; `output_shape`, where given,
    says how many remain after the crop at the start. What lies beyond the whole result is zero.
    """
    ones = [1] * (x.dim() - 2)
    strides, dilations = strides or ones, dilations or ones
    whole = _TRANSPOSE[len(ones)](x, weight, None, strides, 0, 0, groups, dilations)
    sizes = output_shape[2:] if output_shape else None
    for axis, crop in enumerate(_crops(whole, x, pad_type, pad, strides, sizes), start=2):
        whole = _window(whole, axis, *crop)
    return whole if bias is None else whole + along_channels(bias, whole)


def _crops(
    whole: Tensor, x: Tensor, pad_type: str, pad: Ints | None, strides: Ints, sizes: Ints | None
) -> list[tuple[int, int]]:
    """First element and number of elements to keep, per spatial axis."""
    full = [*whole.shape[2:]]
    if pad_type in ("same", "same_lower"):
        kept = sizes or [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
        over = [max(0, f - k) for f, k in zip(full, kept, strict=True)]
        return [(o // 2 if pad_type == "same" else o - o // 2, k) for o, k in zip(over, kept, strict=True)]
    pads = padding.amounts(pad_type, pad, full, full, strides, strides)
    kept = sizes or [f - before - after for f, (before, after) in zip(full, pads, strict=True)]
    return [(before, k) for (before, _), k in zip(pads, kept, strict=True)]


def _window(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    missing = start + size - x.shape[axis]
    if missing > 0:
        x = padding.constant(x, [(0, missing)] + [(0, 0)] * (x.dim() - 1 - axis))
    return x.narrow(axis, start, size)
