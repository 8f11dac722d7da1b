"""Chains of resizing on the way from HR to LR, as pictures meet them before they reach a network."""

import math
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from pipersr_build.data import resize
from pipersr_build.data.degradations.base import Degradation, RealRange, Rgb, Size, WholeRange, whole, within

Filter = Literal["box", "bilinear", "bicubic", "lanczos"]

FILTERS: dict[str, tuple[Image.Resampling, int]] = {  # Pillow's filters, and their half widths in pixels
    "box": (Image.Resampling.BOX, 1),
    "bilinear": (Image.Resampling.BILINEAR, 1),
    "bicubic": (Image.Resampling.BICUBIC, 2),
    "lanczos": (Image.Resampling.LANCZOS, 3),
}


class Resize(Degradation):
    """Go to the LR size by way of `hops` other sizes, each with a filter drawn from `filters`.

    A size on the way is a factor drawn from `factor` (uniform in its logarithm) times the LR size. When
    the dice say no, the reference bicubic goes to the LR size at once.
    """

    kind: Literal["resize"] = "resize"
    hops: Annotated[WholeRange, within(0, 4)] = (1, 1)
    factor: Annotated[RealRange, within(0.1, 8.0)] = (0.5, 2.0)
    filters: Annotated[tuple[Filter, ...], Field(min_length=1)] = ("box", "bilinear", "bicubic", "lanczos")

    @property
    def reach(self) -> int:
        """The widest filter at the smallest size."""
        widest = max(FILTERS[name][1] for name in self.filters)
        return math.ceil(widest / min(1.0, self.factor[0]))

    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Resize along a chain as drawn."""
        for _ in range(whole(random, self.hops)):
            factor = math.exp(random.uniform(*np.log(self.factor)))
            between = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
            rgb = resample(rgb, between, self._filter(random))
        return resample(rgb, size, self._filter(random))

    def skip(self, rgb: Rgb, size: Size) -> Rgb:
        """The reference bicubic."""
        return reference(rgb, size)

    def _filter(self, random: np.random.Generator) -> str:
        return self.filters[int(random.integers(len(self.filters)))]


def resample(rgb: Rgb, size: Size, name: str) -> Rgb:
    """Resize to `size` (height, width) with one of `FILTERS`, antialiased where it shrinks."""
    return np.array(Image.fromarray(rgb).resize(size[::-1], FILTERS[name][0]))


def reference(rgb: Rgb, size: Size) -> Rgb:
    """Resize to `size` (height, width) with the field's bicubic (`data.resize`)."""
    return rgb if rgb.shape[:2] == size else resize.imresize(rgb, size=size)
