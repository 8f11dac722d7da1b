"""Elementwise operations: of one value, of two values that broadcast, and the choice between two."""

from collections.abc import Callable

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import Function, one_of
from pipersr_build.mil.values import HELD, convert


def unary(function: Callable[[Tensor], Tensor]) -> Function:
    """The operation whose only input `x` goes through `function`."""

    def operation(x: Tensor) -> Tensor:
        return function(x)

    return operation


def binary(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """The operation whose inputs `x` and `y`, broadcast to one shape, go through `function`."""

    def operation(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)

    return operation


def cast(x: Tensor, dtype: str) -> Tensor:
    """`x` as `dtype`: floating point to integer towards zero, values out of range to the bound.

    How Core ML casts values out of range is not documented.
    """
    one_of("dtype", dtype, HELD)
    return convert(x, dtype)


def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """min(max(x, alpha), beta)."""
    return x.clamp(alpha, beta)


def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    """1 / (x + epsilon)."""
    return (x + epsilon).reciprocal_()


def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    """The natural logarithm of x + epsilon."""
    return (x + epsilon).log_()


def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """1 / sqrt(x + epsilon)."""
    return (x + epsilon).rsqrt_()


def threshold(x: Tensor, alpha: float) -> Tensor:
    """max(x, alpha)."""
    return x.clamp(min=alpha)


def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where `cond`, elsewhere `b`; the three broadcast."""
    return torch.where(cond, a, b)
