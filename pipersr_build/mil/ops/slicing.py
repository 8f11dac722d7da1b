"""Operations that take a value apart and put values together."""

from itertools import accumulate

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import Bools, Ints, Tensors, axis_of


def slice_by_index(
    x: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """x[begin:end:stride, ...] by numpy's rules.

    A mask set on an axis leaves out its begin or end; `squeeze_mask` takes the one element at begin
    and drops the axis.
    """
    squeezed = squeeze_mask or [False] * x.dim()
    for axis, at in enumerate(_ranges(x, begin, end, stride, begin_mask, end_mask, squeezed)):
        x = _take(x, axis, at)
    return x.squeeze(tuple(axis for axis, drop in enumerate(squeezed) if drop))


def slice_update(
    x: Tensor,
    update: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """A copy of `x` whose slice, as `slice_by_index` takes it, is `update`."""
    squeezed = squeeze_mask or [False] * x.dim()
    ranges = _ranges(x, begin, end, stride, begin_mask, end_mask, squeezed)
    grid = torch.meshgrid([torch.tensor(at, dtype=torch.long) for at in ranges], indexing="ij")
    return x.index_put(grid, update.reshape([len(at) for at in ranges]))


def _ranges(
    x: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None,
    begin_mask: Bools | None,
    end_mask: Bools | None,
    squeezed: Bools,
) -> list[range]:
    """The positions that a slice takes along each axis."""
    none = [False] * x.dim()
    bounds = zip(begin, end, stride or [1] * x.dim(), strict=True)
    masks = zip(begin_mask or none, end_mask or none, squeezed, strict=True)
    return [_positions(size, *bound, *mask) for size, bound, mask in zip(x.shape, bounds, masks, strict=True)]


def _positions(
    size: int, begin: int, end: int, step: int, from_start: bool, to_end: bool, single: bool
) -> range:
    start = None if from_start else begin
    if single:
        at = axis_of(start or 0, size)
        return range(at, at + 1)
    return range(size)[slice(start, None if to_end else end, step)]


def _take(x: Tensor, axis: int, at: range) -> Tensor:
    if at.step > 0:
        return x[(slice(None),) * axis + (slice(at.start, at.stop, at.step),)]
    return x.index_select(axis, torch.tensor(at, dtype=torch.long))


def slice_by_size(x: Tensor, begin: Ints, size: Ints) -> Tensor:
    """`size` elements from `begin` along each axis; a size of -1 takes the rest."""
    for axis, (start, count) in enumerate(zip(begin, size, strict=True)):
        first = start + x.shape[axis] if start < 0 else start
        x = x.narrow(axis, first, x.shape[axis] - first if count == -1 else count)
    return x


def crop(x: Tensor, crop_height: Ints, crop_width: Ints) -> Tensor:
    """`x` without crop_height = [top, bottom] rows and crop_width = [left, right] columns."""
    height, width = x.shape[-2:]
    return x[..., crop_height[0] : height - crop_height[1], crop_width[0] : width - crop_width[1]]


def concat(values: Tensors, axis: int, interleave: bool = False) -> Tensor:
    """`values` one after the other along `axis`, or element by element in turn if interleaved."""
    if not interleave:
        return torch.cat(values, axis)
    at = axis_of(axis, values[0].dim())
    return torch.stack(values, at + 1).flatten(at, at + 1)


def stack(values: Tensors, axis: int) -> Tensor:
    """`values` along a new axis."""
    return torch.stack(values, axis)


def split(x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Ints | None = None) -> Tensors:
    """`x` in parts along `axis`: of the given sizes, or `num_splits` equal ones.

    Raises:
        ValueError: the parts do not make up x.
    """
    extent = x.shape[axis]
    sizes = split_sizes or [extent // (num_splits or 1)] * (num_splits or 1)
    if sum(sizes) != extent:
        raise ValueError(f"parts of {sizes} elements do not make up {extent}")
    starts = accumulate(sizes, initial=0)
    return tuple(x.narrow(axis, start, size) for start, size in zip(starts, sizes, strict=False))


def sliding_windows(x: Tensor, axis: int, size: int, stride: int = 1) -> Tensor:
    """Windows of `size` elements every `stride` along `axis`; their elements on a new axis after it."""
    at = axis_of(axis, x.dim())
    return x.unfold(at, size, stride).movedim(-1, at + 1)
