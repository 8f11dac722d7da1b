"""Where a package's activations lie among the numbers that fp16 has, counted on pictures."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pipersr_build.evidence.figures import Activations, Histogram
from pipersr_build.inspection.inspect import input_ranges
from pipersr_build.inspection.pictures import watch, widen
from pipersr_build.inspection.ranges import Range, convolution_sums
from pipersr_build.inspection.weights import Constants
from pipersr_build.mil.graph import Output
from pipersr_build.mil.package import Package
from pipersr_build.validation.parity import input_size

MOST = 2**20  # values of one result that are counted: all of a tile of 128x128 with 64 channels
FIRST, LAST = -24, 15  # exponents of two: fp16's least subnormal number and its greatest normal one


def activations(package: Package, pictures: Sequence[tuple[str, np.ndarray]]) -> Activations:
    """Count the magnitudes of every operation's result over all pictures.

    Args:
        package: opened; its default function runs in the interpreter, fp16.
        pictures: named, height, width, 3 (uint8); cut to the package's size.

    Raises:
        InputError: see `inspection.pictures.watch`.
    """
    counts: dict[str, np.ndarray] = {}
    ranges: dict[str, Range] = {}

    def observe(out: Output, value: Tensor) -> None:
        counts[out.name] = counts.get(out.name, 0) + count(value)
        widen(ranges, out.name, value)

    watch(package, pictures, observe)
    height, width = input_size(package)
    return Activations(
        subject=package.title,
        runner="MIL interpreter, fp16",
        pictures=[name for name, _ in pictures],
        size=f"{width}x{height}",
        first=FIRST,
        operations=_histograms(package, counts, ranges),
    )


def count(value: Tensor) -> np.ndarray:
    """Zeros first, then the values whose magnitude has each exponent from `FIRST` to `LAST`.

    Infinite values and those that are no numbers count with the largest. Of more than `MOST` values every
    n-th is counted.
    """
    sizes = value.flatten()[:: math.ceil(value.numel() / MOST)].float().abs()
    some = sizes[sizes != 0]
    exponents = torch.frexp(some).exponent - 1  # |x| = mantissa * 2^exponent, mantissa in [1, 2)
    exponents[~some.isfinite()] = LAST
    bins = (exponents.clamp(FIRST, LAST) - FIRST).long()
    found = torch.bincount(bins, minlength=LAST - FIRST + 1)
    return np.concatenate([[sizes.numel() - int(found.sum())], found.numpy()])


def _histograms(package: Package, counts: dict[str, np.ndarray], ranges: dict[str, Range]) -> list[Histogram]:
    constants, known = Constants(package.main), input_ranges(package) | ranges
    found = []
    for op in package.main.walk():
        if op.name not in counts:
            continue
        zeros, *rest = (int(n) for n in counts[op.name])
        sums, reached = convolution_sums(op, known, constants), ranges[op.name]
        largest = float(np.abs([reached.low, reached.high]).max())
        found.append(
            Histogram(
                name=op.name,
                operator=op.type,
                counts=rest,
                zeros=zeros,
                largest=largest,
                sums=None if sums is None else sums.partial,
            )
        )
    return found
