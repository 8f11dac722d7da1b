"""Chains of reshapes and transpositions, in lowest terms: one reshape, one permutation, one reshape.

A pixel shuffle written by hand is such a chain, in any of many spellings. In lowest terms every spelling
of the same rearrangement is equal, so that it can be recognised and named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LONGEST = 16  # steps worth looking at: the longest spelling in use, four axes at a time, has 13

Extents = tuple[int, ...]
Kind = Literal["pixel_shuffle", "depth_to_space", "pixel_unshuffle", "space_to_depth"]


@dataclass(frozen=True, slots=True)
class Step:
    """A reshape to `numbers`, or a transposition by them."""

    kind: Literal["reshape", "transpose"]
    numbers: Extents


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """`source` read as axes of `extents`, permuted by `perm`, read as `target`.

    In lowest terms: no axis has the extent 1, and no two axes stay neighbours in their order, so that
    `extents` has the least rank that one permutation needs.
    """

    source: Extents
    extents: Extents
    perm: tuple[int, ...]
    target: Extents


@dataclass(frozen=True, slots=True)
class Named:
    """An operation of MIL that is a rearrangement, and its factor."""

    kind: Kind
    factor: int


class _Axes:
    """The axes that reshapes have divided a tensor into: their extents, first order and present groups."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.extents = list(shape)
        self.source = list(range(len(shape)))
        self.groups = [[axis] for axis in self.source]

    def split(self, axis: int, first: int) -> tuple[int, int]:
        """Divide an axis into one of extent `first` and the rest."""
        one, two = len(self.extents), len(self.extents) + 1
        self.extents += [first, self.extents[axis] // first]
        at = self.source.index(axis)
        self.source[at : at + 1] = [one, two]
        return one, two

    def reshape(self, shape: Sequence[int]) -> bool:
        """Group the axes as `shape`; False where that would cut across one."""
        left = [axis for group in self.groups for axis in group if self.extents[axis] > 1]
        groups = [self._take(extent, left) for extent in shape]
        self.groups = [group for group in groups if group is not None]
        return len(self.groups) == len(groups) and not left

    def _take(self, extent: int, left: list[int]) -> list[int] | None:
        """Axes from the front of `left` whose extents multiply to `extent`."""
        group: list[int] = []
        while extent > 1 and left:
            axis = left.pop(0)
            if extent % self.extents[axis]:
                if self.extents[axis] % extent:
                    return None
                axis, rest = self.split(axis, extent)
                left.insert(0, rest)
            group.append(axis)
            extent //= self.extents[axis]
        return group if extent == 1 else None


def lowest_terms(source: Sequence[int], steps: Sequence[Step]) -> Rearrangement | None:
    """What the chain does to a tensor of shape `source`; None where it is no permutation of axes.

    All extents must be 1 or more.
    """
    axes, target = _Axes(source), tuple(source)
    for step in steps:
        if step.kind == "transpose":
            if sorted(step.numbers) != list(range(len(target))):
                return None
            axes.groups = [axes.groups[i] for i in step.numbers]
            target = tuple(target[i] for i in step.numbers)
        elif axes.reshape(step.numbers):
            target = step.numbers
        else:
            return None
    return _merged(axes, tuple(source), target)


def _merged(axes: _Axes, source: Extents, target: Extents) -> Rearrangement:
    """Drop unit axes and merge the axes that have stayed neighbours in their order."""
    first = [axis for axis in axes.source if axes.extents[axis] > 1]
    places = [first.index(a) for group in axes.groups for a in group if axes.extents[a] > 1]
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    ordered = sorted(runs)
    extents = tuple(math.prod(axes.extents[first[place]] for place in run) for run in ordered)
    return Rearrangement(source, extents, tuple(ordered.index(run) for run in runs), target)


def named(found: Rearrangement) -> Named | None:
    """The MIL operation that does the same, if there is one; rank 4 and equal factors for both axes only."""
    if len(found.source) != 4 or len(found.target) != 4:
        return None
    for kind in ("pixel_shuffle", "depth_to_space", "pixel_unshuffle", "space_to_depth"):
        grows = kind in ("pixel_shuffle", "depth_to_space")
        small, large = (found.source, found.target) if grows else (found.target, found.source)
        factor = large[2] // small[2]
        if factor > 1 and lowest_terms(found.source, definition(kind, factor, small)) == found:
            return Named(kind, factor)
    return None


def definition(kind: Kind, factor: int, small: Sequence[int]) -> list[Step]:
    """The chain that defines a rearrangement; `small` is B, C·factor², H, W, its side with fewer pixels.

    Source: the MIL operation reference of coremltools, section tensor_transformation.
    """
    batch, depth, height, width = small
    f, channels = factor, depth // factor**2
    large = (batch, channels, height * f, width * f)
    by_rows = (batch, channels, height, f, width, f)
    middle, perm, target = {
        "pixel_shuffle": ((batch, channels, f, f, height, width), (0, 1, 4, 2, 5, 3), large),
        "depth_to_space": ((batch, f, f, channels, height, width), (0, 3, 4, 1, 5, 2), large),
        "pixel_unshuffle": (by_rows, (0, 1, 3, 5, 2, 4), tuple(small)),
        "space_to_depth": (by_rows, (0, 3, 5, 1, 2, 4), tuple(small)),
    }[kind]
    return [Step("reshape", middle), Step("transpose", perm), Step("reshape", target)]
