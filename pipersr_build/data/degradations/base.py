"""What every degradation has: its checked parameters, a probability, and how far a pixel's influence goes."""

from abc import ABC, abstractmethod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Rgb = NDArray[np.uint8]  # height, width, 3
Size = tuple[int, int]  # height, width
Probability = Annotated[float, Field(ge=0, le=1)]


class Degradation(BaseModel, ABC):
    """One step between an HR patch and its LR patch; the parameters are ranges to draw from.

    A range is a pair [least, most], both included, or one number for both. Every step takes and gives
    8-bit pictures, as cameras, editors and codecs hand them on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: Probability = 1.0

    @property
    @abstractmethod
    def reach(self) -> int:
        """How many pixels away a pixel is changed by another, at the most, at the LR size."""

    @abstractmethod
    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Degrade `rgb` with parameters drawn from `random`; `size` is the size that LR will have."""

    def skip(self, rgb: Rgb, size: Size) -> Rgb:
        """What happens instead when the dice say no: nothing."""
        del size
        return rgb


def _pair(value: Any) -> list[Any]:
    pair = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(pair) != 2 or not all(type(number) in (int, float) for number in pair):
        raise ValueError("give a number or [from, to]")
    return pair


RealRange = Annotated[tuple[float, float], BeforeValidator(_pair)]
WholeRange = Annotated[tuple[int, int], BeforeValidator(_pair)]


def within(least: float, most: float) -> AfterValidator:
    """The limits of a range."""

    def check(value: tuple[float, float]) -> tuple[float, float]:
        if not least <= value[0] <= value[1] <= most:
            raise ValueError(f"it must be [from, to] with {least} ≤ from ≤ to ≤ {most}")
        return value

    return AfterValidator(check)


def whole(random: np.random.Generator, bounds: tuple[int, int]) -> int:
    """A whole number from `bounds`, both included."""
    return int(random.integers(bounds[0], bounds[1], endpoint=True))


def to_uint8(values: NDArray[np.floating]) -> Rgb:
    """Round to the nearest level in 0..255."""
    rounded: Rgb = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def window(rgb: Rgb, corner: tuple[int, int], size: Size) -> Rgb:
    """`size` pixels from `corner` (top, left) on, mirrored beyond the border as often as needed.

    The border pixel itself is mirrored too, as in `resize.imresize`.
    """
    rows, columns = (_mirrored(*axis) for axis in zip(corner, size, rgb.shape[:2], strict=True))
    return rgb[rows[:, None], columns]


def _mirrored(first: int, count: int, length: int) -> NDArray[np.int64]:
    position = np.mod(np.arange(first, first + count), 2 * length)
    folded: NDArray[np.int64] = np.minimum(position, 2 * length - 1 - position)
    return folded
