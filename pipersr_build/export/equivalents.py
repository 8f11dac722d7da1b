"""What coremltools cannot convert, or only as gather and scatter, in operations that the engine runs."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Part = tuple[int, int, int]  # axis, first, last + 1


def crops(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> bool:
    """Whether these arguments of `F.pad` cut something off."""
    del x, mode, value
    return any(amount < 0 for amount in pad)


def crop_and_pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`F.pad` with negative amounts as slices, and a pad where there are positive ones too."""
    for index in range(0, len(pad), 2):
        axis = x.dim() - 1 - index // 2
        before, after = max(0, -pad[index]), max(0, -pad[index + 1])
        if before or after:
            x = x.narrow(axis, before, x.shape[axis] - before - after)
    rest = [max(0, amount) for amount in pad]
    return F.pad(x, rest, mode, value) if any(rest) else x


def roll(x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """`torch.roll` as two slices and a concatenation for each axis."""
    if dims is None:
        return roll(x.flatten(), shifts, 0).reshape(x.shape)
    axes = [dims] if isinstance(dims, int) else list(dims)
    amounts = [shifts] if isinstance(shifts, int) else list(shifts)
    for axis, amount in zip(axes, amounts, strict=True):
        extent = x.shape[axis]
        cut = -amount % extent
        if cut:
            x = torch.cat((x.narrow(axis, cut, extent - cut), x.narrow(axis, 0, cut)), axis)
    return x


def is_part(x: Tensor, index: Any, value: Any) -> bool:
    """Whether `x[index] = value` replaces a run of x, of each axis, by a tensor of its rank."""
    return isinstance(value, Tensor) and value.dim() == x.dim() and _runs(x, index) is not None


def joined(x: Tensor, index: Any, value: Tensor) -> Tensor:
    """What x is after `x[index] = value`, as concatenations; see `is_part`."""
    runs = _runs(x, index)
    return _with_runs(x, runs, value) if runs else value.expand(x.shape).clone()  # value may change later


def _with_runs(x: Tensor, runs: Sequence[Part], value: Tensor) -> Tensor:
    """The tensor with `value` in place of what the runs of different axes have in common."""
    if not runs:
        return value.expand(x.shape)
    (axis, first, last), *others = runs
    extent = x.shape[axis]
    parts = [x.narrow(axis, 0, first)] if first else []
    parts.append(_with_runs(x.narrow(axis, first, last - first), others, value))
    parts += [x.narrow(axis, last, extent - last)] if last < extent else []
    return torch.cat(parts, axis) if len(parts) > 1 else parts[0]


def _runs(x: Tensor, index: Any) -> list[Part] | None:
    """The runs that `index` takes of the axes that it does not take whole, if it is of that kind."""
    items = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in items:
        if items.count(Ellipsis) > 1:
            return None
        at, missing = items.index(Ellipsis), x.dim() - len(items) + 1
        items[at : at + 1] = [slice(None)] * missing
    if not all(isinstance(item, slice) and _whole(item) for item in items):
        return None
    runs = [(axis, *item.indices(x.shape[axis])[:2]) for axis, item in enumerate(items)]
    partial = [run for run in runs if (run[1], run[2]) != (0, x.shape[run[0]])]
    return partial if all(first < last for _, first, last in partial) else None


def _whole(item: slice) -> bool:
    """Whether a slice takes every element of its run, between plain numbers."""
    return item.step in (None, 1) and all(isinstance(n, int | None) for n in (item.start, item.stop))
