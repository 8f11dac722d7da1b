"""A small version that is made where it is looked at: equal to the whole one, pixel for pixel."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipersr_build.data.resize import crop_to_multiple, downscale
from pipersr_build.scales import ratio, to_hr, to_lr

_MARGIN = 2  # LR pixels: bicubic looks 2 * scale HR pixels far when it reduces


class SmallOnTheFly:
    """The LR picture of an HR picture, standing in for an array that nobody wants to keep.

    `lr[top:bottom, left:right]` makes that part alone; `numpy.asarray(lr)` makes all of it.

    Args:
        hr: uint8 of shape height, width, 3; not copied.
        scale: HR pixels per LR pixel.

    Raises:
        InputError: `hr` is smaller than `scale` pixels.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, hr: NDArray[np.uint8], scale: float) -> None:
        self._hr, self._scale = crop_to_multiple(hr, scale), scale
        height, width = self._hr.shape[:2]
        self.shape = (to_lr(height, scale), to_lr(width, scale), 3)
        self.size = self.shape[0] * self.shape[1] * 3

    def __getitem__(self, part: tuple[slice, slice]) -> NDArray[np.uint8]:
        """Rows and columns of the LR picture, as two slices without steps."""
        (hr_rows, rows), (hr_columns, columns) = (
            self._around(place, length) for place, length in zip(part, self.shape, strict=False)
        )
        return downscale(self._hr[hr_rows, hr_columns], self._scale)[rows, columns]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it."""
        del copy  # it is new in any case
        return downscale(self._hr, self._scale).astype(np.uint8 if dtype is None else dtype, copy=False)

    def _around(self, place: slice, length: int) -> tuple[slice, slice]:
        """The HR pixels that a stretch of LR pixels is made from, and where it then lies in the result."""
        start, stop, step = place.indices(length)
        if step != 1:
            raise IndexError("only slices without steps")
        unit = ratio(self._scale)[1]
        first = max(0, start - _MARGIN) // unit * unit
        last = min(length, -(-(stop + _MARGIN) // unit) * unit)
        hr = slice(to_hr(first, self._scale), to_hr(last, self._scale))
        return hr, slice(start - first, stop - first)
