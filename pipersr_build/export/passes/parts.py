"""How a large kernel is divided along one axis, and what each part needs of its operand's border."""

import itertools
from dataclasses import dataclass

# What Core ML's compiler takes, measured on an M4 (751K, Apple Neural Engine Microarchitecture Study,
# arch_h16g_h18g.tsv): 15x15, 1x15 and 31x1. Parts keep to what earlier chips are said to take as well,
# 13 wide and 29 high (ane-guide, chapter 17), so that a package that was rewritten runs on all of them.
LARGEST, LARGEST_COLUMN = 15, 31
PART, PART_COLUMN = 13, 29


@dataclass(frozen=True, slots=True)
class Part:
    """Rows (or columns) `first` up to `last` of a kernel, and what to do to the operand's two borders."""

    first: int
    last: int
    padding: tuple[int, int]
    crop: tuple[int, int]


def divide(
    kernel: int, across: int, extent: int, horizontal: bool, padding: tuple[int, int], dilation: int
) -> list[Part]:
    """The parts of a kernel along one axis; a single one where it is small enough.

    Parts that see nothing but padding are left out, unless that would leave none.

    Args:
        kernel: its extent along this axis.
        across: its extent along the other axis.
        extent: the operand's extent along this axis.
        horizontal: whether this axis is the width.
        padding: zeros before and after the operand along this axis.
        dilation: distance of neighbouring elements of the kernel.
    """
    column = not horizontal and across == 1
    allowed, wanted = (LARGEST_COLUMN, PART_COLUMN) if column else (LARGEST, PART)
    count = 1 if kernel <= allowed else -(-kernel // wanted)
    edges = [kernel * i // count for i in range(count + 1)]
    parts = [_part(a, b, kernel, padding, dilation) for a, b in itertools.pairwise(edges)]
    return [part for part in parts if sum(part.crop) < extent] or parts[:1]


def _part(first: int, last: int, kernel: int, padding: tuple[int, int], dilation: int) -> Part:
    shifts = (padding[0] - first * dilation, padding[1] - (kernel - last) * dilation)
    before, after = (max(0, shift) for shift in shifts)
    return Part(first, last, (before, after), (max(0, -shifts[0]), max(0, -shifts[1])))
