"""Pooling over windows of one to three spatial axes."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops import padding
from pipersr_build.mil.ops.arguments import Ints

_AVERAGE: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_MAXIMUM: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def max_pool(
    x: Tensor,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; padding never is."""
    x, own, strides = _padded(x, kernel_sizes, pad_type, strides, pad, -math.inf)
    return _MAXIMUM[len(strides)](x, kernel_sizes, strides, own, ceil_mode=ceil_mode)


def avg_pool(
    x: Tensor,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """The mean of each window; padding counts as zeros unless excluded."""
    padded, own, steps = _padded(x, kernel_sizes, pad_type, strides, pad, 0.0)
    average = _AVERAGE[len(steps)]
    if not exclude_padding_from_average or padded is x:
        return average(padded, kernel_sizes, steps, own, ceil_mode, not exclude_padding_from_average)
    ones, _, _ = _padded(torch.ones_like(x), kernel_sizes, pad_type, strides, pad, 0.0)
    return average(padded, kernel_sizes, steps, own, ceil_mode) / average(
        ones, kernel_sizes, steps, own, ceil_mode
    )


def l2_pool(
    x: Tensor,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The square root of the sum of squares of each window of one or two axes."""
    if x.dim() == 3:  # only the pooling of two axes can sum without dividing
        pad = [0, 0, *pad] if pad else None
        flat = l2_pool(x.unsqueeze(2), [1, *kernel_sizes], pad_type, [1, *(strides or [1])], pad, ceil_mode)
        return flat.squeeze(2)
    padded, own, steps = _padded(x * x, kernel_sizes, pad_type, strides, pad, 0.0)
    return F.avg_pool2d(padded, kernel_sizes, steps, own, ceil_mode, divisor_override=1).sqrt_()


def _padded(
    x: Tensor, kernel: Ints, pad_type: str, strides: Ints | None, pad: Ints | None, value: float
) -> tuple[Tensor, Ints, Ints]:
    """`x` padded where PyTorch's own padding cannot do it, the padding left to PyTorch, and strides."""
    strides = strides or [1] * len(kernel)
    pads = padding.amounts(pad_type, pad, [*x.shape[2:]], kernel, strides, [1] * len(kernel))
    own = padding.symmetric(pads)
    if own is not None and all(2 * p <= k for p, k in zip(own, kernel, strict=True)):
        return x, own, strides
    return padding.constant(x, pads, value), [0] * len(kernel), strides
