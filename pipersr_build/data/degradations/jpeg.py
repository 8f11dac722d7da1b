"""JPEG compression."""

import io
from typing import Annotated, Literal

import numpy as np
from PIL import Image

from pipersr_build.data.degradations.base import Degradation, Rgb, Size, WholeRange, whole, within

_BLOCK = 8


class Jpeg(Degradation):
    """Compress as JPEG with a quality from `quality`, on libjpeg's scale of 1 to 100."""

    kind: Literal["jpeg"] = "jpeg"
    quality: Annotated[WholeRange, within(1, 100)] = (40, 95)

    @property
    def reach(self) -> int:
        """A block."""
        return _BLOCK

    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Compress and decompress with a quality as drawn."""
        del size
        return jpeg(rgb, whole(random, self.quality))


def jpeg(rgb: Rgb, quality: int) -> Rgb:
    """What is left of `rgb` after JPEG of that quality (1..100), chroma at half size (4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(buffer) as image:
        return np.array(image.convert("RGB"))
