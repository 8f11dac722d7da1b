"""Padding: the amounts that `pad_type` stands for, and the operation `pad`."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops.arguments import Ints

Amounts = list[tuple[int, int]]  # before and after, one pair per axis


def amounts(
    pad_type: str, pad: Ints | None, sizes: Ints, kernel: Ints, strides: Ints, dilations: Ints
) -> Amounts:
    """What `pad_type` adds before and after each spatial axis.

    `same` makes ceil(size / stride) outputs; the odd element goes after (`same`) or before
    (`same_lower`), as in TensorFlow, from where coremltools takes the type.

    Raises:
        ValueError: an unknown `pad_type`, or a `pad` of the wrong length.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        return pairs(pad or [0] * 2 * len(sizes), len(sizes))
    if pad_type not in ("same", "same_lower"):
        raise ValueError(f"pad_type {pad_type!r} is not one of 'valid', 'custom', 'same', 'same_lower'")
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    totals = [max(0, -(-n // s) * s - n + k - s) for n, k, s in zip(sizes, spans, strides, strict=True)]
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if pad_type == "same" else [(after, before) for before, after in halves]


def pairs(flat: Ints, count: int) -> Amounts:
    """[before, after, before, after, ...] as `count` pairs."""
    if len(flat) != 2 * count:
        raise ValueError(f"pad has {len(flat)} numbers for {count} axes")
    return list(zip(flat[::2], flat[1::2], strict=True))


def symmetric(pads: Amounts) -> Ints | None:
    """The amount per axis if it is the same before and after everywhere, else None."""
    return [before for before, _ in pads] if all(before == after for before, after in pads) else None


def constant(x: Tensor, pads: Amounts, value: float = 0.0) -> Tensor:
    """`x` with `value` around its last axes."""
    flat = [amount for pair in reversed(pads) for amount in pair]
    return F.pad(x, flat, value=value) if any(flat) else x


def pad(x: Tensor, pad: Ints, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """`x` with its last len(pad) / 2 axes padded.

    Modes: `constant`, `reflect` (without repeating the edge), `replicate`.

    Raises:
        ValueError: an unknown mode, negative amounts, or more reflection than there is to reflect.
    """
    pads = pairs(pad, len(pad) // 2)
    if min(pad, default=0) < 0:
        raise ValueError(f"negative padding {pad}")
    if mode == "constant":
        return constant(x, pads, constant_val)
    for axis, (before, after) in enumerate(pads, start=x.dim() - len(pads)):
        if before or after:
            x = x.index_select(axis, _positions(x.shape[axis], before, after, mode))
    return x


def _positions(size: int, before: int, after: int, mode: str) -> Tensor:
    """For each element of the padded axis, the element of the axis that it repeats."""
    at = torch.arange(-before, size + after)
    if mode == "replicate":
        return at.clamp(0, size - 1)
    if mode != "reflect":
        raise ValueError(f"mode {mode!r} is not one of 'constant', 'reflect', 'replicate'")
    if max(before, after) >= size:
        raise ValueError(f"{max(before, after)} elements cannot be reflected from {size}")
    return (size - 1) - ((size - 1) - at.abs()).abs()
