"""Reductions over axes, sorting, and running sums. Integer reductions are exact in 64 bits."""

from collections.abc import Callable

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import Function, Ints, Tensors, axis_of

Reduction = Callable[[Tensor, Ints], Tensor]  # keeps the reduced axes with extent 1


def over_axes(reduction: Reduction) -> Function:
    """The operation that applies `reduction` over `axes`, all of them by default."""

    def operation(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
        over = sorted({axis_of(axis, x.dim()) for axis in axes}) if axes else list(range(x.dim()))
        kept = reduction(x if x.is_floating_point() else x.long(), over)
        return kept if keep_dims else kept.reshape([n for i, n in enumerate(x.shape) if i not in over])

    return operation


def sums(x: Tensor, axes: Ints) -> Tensor:
    """The sum."""
    return x.sum(dim=axes, keepdim=True)


def means(x: Tensor, axes: Ints) -> Tensor:
    """The mean; of integers too, before it is cut to an integer."""
    return (x if x.is_floating_point() else x.double()).mean(dim=axes, keepdim=True)


def maxima(x: Tensor, axes: Ints) -> Tensor:
    """The largest element."""
    return x.amax(dim=axes, keepdim=True)


def minima(x: Tensor, axes: Ints) -> Tensor:
    """The smallest element."""
    return x.amin(dim=axes, keepdim=True)


def products(x: Tensor, axes: Ints) -> Tensor:
    """The product."""
    for axis in axes:
        x = x.prod(dim=axis, keepdim=True)
    return x


def l1_norms(x: Tensor, axes: Ints) -> Tensor:
    """The sum of magnitudes."""
    return sums(x.abs(), axes)


def l2_norms(x: Tensor, axes: Ints) -> Tensor:
    """The square root of the sum of squares."""
    return torch.sqrt(sums(x * x, axes))


def sums_of_squares(x: Tensor, axes: Ints) -> Tensor:
    """The sum of squares."""
    return sums(x * x, axes)


def log_sums(x: Tensor, axes: Ints) -> Tensor:
    """The logarithm of the sum."""
    return torch.log(sums(x, axes))


def log_sums_of_exp(x: Tensor, axes: Ints) -> Tensor:
    """The logarithm of the sum of eˣ, computed without overflow."""
    return torch.logsumexp(x if x.is_floating_point() else x.double(), dim=axes, keepdim=True)


def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:  # noqa: ARG001
    """The position of the largest element along `axis`; the program declares the result's type."""
    return torch.argmax(x, dim=axis, keepdim=keep_dims)


def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:  # noqa: ARG001
    """The position of the smallest element along `axis`; the program declares the result's type."""
    return torch.argmin(x, dim=axis, keepdim=keep_dims)


def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,  # noqa: ARG001 - unsorted results may come in any order, so also sorted
    return_indices: bool = True,
    output_indices_dtype: str = "int32",  # noqa: ARG001 - the program declares the result's type
) -> Tensor | Tensors:
    """The k largest (smallest if ascending) elements along `axis` and their positions; -1: all."""
    values, indices = torch.sort(x, dim=axis, descending=not ascending, stable=True)
    count = x.shape[axis] if k == -1 else k
    values, indices = values.narrow(axis, 0, count), indices.narrow(axis, 0, count)
    return (values, indices) if return_indices else values


def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    """The positions that sort `x` along `axis`, largest first unless ascending."""
    return torch.argsort(x, dim=axis, descending=not ascending, stable=True)


def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """The running sum along `axis`, from the end if reverse, without the element itself if exclusive."""
    ordered = x.flip(axis) if reverse else x
    total = ordered.cumsum(axis)
    if exclusive:
        nothing = torch.zeros_like(total.narrow(axis, 0, 1))
        total = torch.cat([nothing, total.narrow(axis, 0, total.shape[axis] - 1)], axis)
    return total.flip(axis) if reverse else total
