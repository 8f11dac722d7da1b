"""What the rooms hand each other: a named picture, and a picture with its small version."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.resize import crop_to_multiple, downscale


@dataclass(frozen=True, eq=False)
class Picture:
    """A named picture, uint8 of shape height, width, 3."""

    name: str
    rgb: NDArray[np.uint8]

    @property
    def size(self) -> str:
        """Width x height, for people."""
        return f"{self.rgb.shape[1]}x{self.rgb.shape[0]}"


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture and its small version, both uint8 of shape height, width, 3; HR is scale times LR."""

    name: str
    lr: NDArray[np.uint8]
    hr: NDArray[np.uint8]


def make_pair(picture: Picture, scale: float) -> Pair:
    """Crop a picture to a multiple of `scale` and reduce it as the field does (`resize.downscale`).

    Raises:
        InputError: the picture is smaller than `scale` pixels.
    """
    hr = np.ascontiguousarray(crop_to_multiple(picture.rgb, scale))
    return Pair(picture.name, downscale(hr, scale), hr)
