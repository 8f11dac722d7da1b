"""Sample sheets: what a network makes of the held-out pictures, for the eye."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipersr_build.data.crops import busiest
from pipersr_build.data.images import save_png
from pipersr_build.data.pictures import Pair
from pipersr_build.data.resize import upscale_bicubic
from pipersr_build.models.upscaler import upscaler
from pipersr_build.scales import to_hr, to_lr

ROWS = 4  # pictures on a sheet
EDGE = 192  # HR pixels of a crop
MARGIN = 16  # LR pixels around a crop that the network sees too
GAP = 4  # white pixels between crops


class SampleSheet:
    """Draws a sheet: a row for each of the first pictures, from the left bicubic, the network, the truth.

    Args:
        pairs: the held-out pictures, HR `scale` times LR.
        scale: HR pixels per LR pixel.
    """

    def __init__(self, pairs: Sequence[Pair], scale: float) -> None:
        self._scale = scale
        self._windows = [(pair, *self._corner(pair)) for pair in pairs[:ROWS]]

    def __call__(self, network: nn.Module, path: Path) -> None:
        """Write the sheet of `network` (1, 3, H, W in [0, 1] to scale times that) as PNG, atomically.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        upscale, rows = upscaler(network), []
        for pair, top, left in self._windows:
            bicubic, sr = (self._crop(pair, top, left, method) for method in (self._bicubic, upscale))
            first_row, first_column = to_hr(top, self._scale), to_hr(left, self._scale)
            edge = to_hr(to_lr(EDGE, self._scale), self._scale)
            hr = pair.hr[first_row : first_row + edge, first_column : first_column + edge]
            rows.append(np.concatenate([_framed(picture) for picture in (bicubic, sr, hr)], axis=1))
        save_png(path, np.concatenate(rows))

    def _corner(self, pair: Pair) -> tuple[int, int]:
        """Top and left of the busiest window, in LR pixels."""
        top, left = busiest(pair.hr, EDGE)
        return to_lr(top, self._scale), to_lr(left, self._scale)

    def _bicubic(self, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return upscale_bicubic(lr, self._scale)

    def _crop(self, pair: Pair, top: int, left: int, method: object) -> NDArray[np.uint8]:
        """The window enlarged with what is around it, and cut out."""
        assert callable(method)
        edge, scale = to_lr(EDGE, self._scale), self._scale
        first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
        seen = pair.lr[first_row : top + edge + MARGIN, first_column : left + edge + MARGIN]
        large: NDArray[np.uint8] = method(np.ascontiguousarray(seen))
        row, column = to_hr(top - first_row, scale), to_hr(left - first_column, scale)
        high, wide = (
            to_hr(min(edge, size - at), scale) for size, at in zip(pair.lr.shape, (top, left), strict=False)
        )
        return large[row : row + high, column : column + wide]


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """On white, so that all are of one size with gaps between them."""
    framed = np.full((EDGE + GAP, EDGE + GAP, 3), 255, np.uint8)
    framed[: picture.shape[0], : picture.shape[1]] = picture[:EDGE, :EDGE]
    return framed
