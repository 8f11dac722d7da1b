"""Sizes under a scale that need not be whole: 1.5x makes 3 HR pixels of every 2 LR pixels."""

from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Length = TypeVar("Length", int, NDArray[np.int64])

_LARGEST = 8  # denominator: whatever a network may enlarge by is a ratio of small numbers


def ratio(scale: float) -> tuple[int, int]:
    """The HR and LR pixels that make each other exactly: 3, 2 for 1.5 and 2, 1 for 2.

    HR pictures are multiples of the first and LR pictures of the second, and patches begin at these.
    """
    exact = Fraction(scale).limit_denominator(_LARGEST)
    return exact.numerator, exact.denominator


def to_hr(length: Length, scale: float) -> Length:
    """HR pixels of so many LR pixels; rounded down where they are no multiple."""
    hr, lr = ratio(scale)
    return length * hr // lr


def to_lr(length: Length, scale: float) -> Length:
    """LR pixels of so many HR pixels, of which those beyond a multiple do not count."""
    hr, lr = ratio(scale)
    return length // hr * lr
