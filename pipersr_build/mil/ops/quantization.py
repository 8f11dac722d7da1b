"""Affine quantisation of activations."""

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import axis_of, one_of

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def quantize(
    input: Tensor,  # noqa: A002 - MIL's name
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """clip(round(input / scale) + zero_point) to the range of int8 or uint8; halves to the even one."""
    low, high = one_of("output_dtype", output_dtype, _RANGES)
    steps = torch.round(input / _along(scale, input, axis))
    if zero_point is not None:
        steps = steps + _along(zero_point, input, axis)
    return steps.clamp(low, high)


def dequantize(
    input: Tensor,  # noqa: A002 - MIL's name
    scale: Tensor,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """`scale` · (input - zero_point)."""
    steps = input.float()
    if zero_point is not None:
        steps = steps - _along(zero_point, input, axis)
    return steps * _along(scale, input, axis)


def _along(parameter: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """A scalar as it is, a vector shaped to broadcast along `axis` of x; in float32."""
    exact = parameter.float()
    if exact.dim() == 0 or axis is None:
        return exact
    return exact.reshape([-1 if i == axis_of(axis, x.dim()) else 1 for i in range(x.dim())])
