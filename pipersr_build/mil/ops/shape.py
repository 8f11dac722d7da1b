"""Operations that give a value another shape, or make a value of a given shape."""

import math

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import Bools, Ints, Tensors, axis_of


def identity(x: Tensor) -> Tensor:
    """`x` itself."""
    return x


def reshape(x: Tensor, shape: Ints) -> Tensor:
    """The same elements in `shape`.

    0 keeps the extent of x at the same place counted from the last (1 if x has none there), which for
    equal ranks is also the rule of the older operation sets; -1 takes what remains.
    """
    own = [1] * len(shape) + [*x.shape]
    tail = own[len(own) - len(shape) :]
    return x.reshape([old if new == 0 else new for new, old in zip(shape, tail, strict=True)])


def reshape_like(x: Tensor, ref_tensors: Tensors, begins: Ints, ends: Ints, end_masks: Bools) -> Tensor:
    """The same elements in the shape joined from `begin:end` of each reference's shape."""
    shape: Ints = []
    for reference, begin, end, to_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += reference.shape[begin : None if to_end else end]
    return x.reshape(shape)


def transpose(x: Tensor, perm: Ints) -> Tensor:
    """`x` with its axes in the order `perm`."""
    return x.permute(perm)


def expand_dims(x: Tensor, axes: Ints) -> Tensor:
    """`x` with axes of extent 1 at the places `axes` of the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis_of(axis, rank) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Ints | None = None) -> Tensor:
    """`x` without those of `axes` (all by default) that have extent 1."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    """`x` as a matrix: the axes before `axis` and the axes from it on."""
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def reverse(x: Tensor, axes: Ints | None = None) -> Tensor:
    """`x` with the elements along `axes` (all by default) in reverse."""
    return x.flip(axes if axes is not None else list(range(x.dim())))


def tile(x: Tensor, reps: Ints) -> Tensor:
    """`x` repeated reps[i] times along axis i."""
    return x.repeat(reps)


def shape(x: Tensor) -> Tensor:
    """The shape of `x` as a vector."""
    return torch.tensor(x.shape)


def fill(shape: Ints, value: Tensor | None = None) -> Tensor:
    """A value of `shape` filled with `value` (0)."""
    return torch.zeros(shape) if value is None else value.expand(shape).clone()


def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    """A value of the shape of `ref_tensor` filled with `value` (0)."""
    return fill([*ref_tensor.shape], value)


def range_1d(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    """start, start + step, … up to but not including `end`."""
    return torch.arange(start.item(), end.item(), step.item())


def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """`x` with zeros outside the diagonals -lower..upper of its last two axes; negative: no bound."""
    column = torch.arange(x.shape[-1])
    row = torch.arange(x.shape[-2]).unsqueeze(1)
    below = (row - column <= lower) | (lower < 0)
    above = (column - row <= upper) | (upper < 0)
    return torch.where(below & above, x, torch.zeros_like(x))
