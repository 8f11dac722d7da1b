"""Enlarge see-through pictures without fringes.

The colour of a pixel that is wholly see-through means nothing (it is often black or white), yet a network
would mix it into its neighbours. So before the colours are enlarged, such pixels take the colours beside
them. Colours are not multiplied by alpha, which would lose what 8 bits hold of a thin pixel's colour.

Alpha is enlarged by the same network, so that its edges are as sharp as those of the colours, and held
between the least and the largest alpha around each LR pixel: what is opaque stays opaque.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipersr_build.scales import ratio

_BAND = 128  # HR rows limited at a time: memory is theirs and not the picture's


def fill(colour: np.ndarray, alpha: np.ndarray, reach: int) -> np.ndarray:
    """The colours with those of wholly see-through pixels grown from their neighbours.

    Step by step, up to `reach` pixels far, a pixel takes the mean colour of those of its eight neighbours
    that have one. Further away the colours are as they were.

    Args:
        colour: height, width or height, width, 3.
        alpha: height, width; 0 is wholly see-through.
        reach: in pixels; where it is the network's receptive radius + 1, no visible pixel is touched by a
            colour that means nothing.
    """
    known = alpha > 0
    if known.all() or not known.any():
        return colour
    padded = np.pad(colour, [(1, 1), (1, 1), *[(0, 0)] * (colour.ndim - 2)])
    known = np.pad(known, 1)
    for _ in range(reach):
        rows, columns = _border(known)
        if not len(rows):
            break
        padded[rows, columns] = _means(padded, known, rows, columns)
        known[rows, columns] = True
    return padded[1:-1, 1:-1]


def _border(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unknown pixels beside known ones; the outermost rows and columns are not the picture's."""
    wide = known[:, :-2] | known[:, 1:-1] | known[:, 2:]
    near = wide[:-2] | wide[1:-1] | wide[2:]
    near &= ~known[1:-1, 1:-1]
    rows, columns = np.nonzero(near)
    return rows + 1, columns + 1


_AROUND = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]


def _means(padded: np.ndarray, known: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The mean of the known neighbours of each of these pixels, in the picture's type."""
    total = np.zeros((len(rows), *padded.shape[2:]), np.float64)
    count = np.zeros(len(rows), np.int64)
    for y, x in _AROUND:
        there = known[rows + y, columns + x]
        total[there] += padded[rows[there] + y, columns[there] + x]
        count += there
    means = total / count.reshape(-1, *[1] * (padded.ndim - 2))
    return (np.rint(means) if padded.dtype.kind == "u" else means).astype(padded.dtype)


def limit(enlarged: np.ndarray, alpha: np.ndarray, scale: float) -> None:
    """Hold enlarged alpha between the least and the largest alpha of the 3 x 3 LR pixels around; in place.

    Args:
        enlarged: scale height, scale width.
        alpha: height, width.
        scale: HR pixels per LR pixel.
    """
    hr, lr = ratio(scale)
    columns = np.arange(enlarged.shape[1]) * lr // hr
    for top in range(0, enlarged.shape[0], _BAND):
        band = enlarged[top : top + _BAND]
        rows = np.arange(top, top + len(band)) * lr // hr
        around = _window(alpha, rows[0], rows[-1] + 1)
        low, high = around.min((2, 3)), around.max((2, 3))
        here = np.ix_(rows - rows[0], columns)
        np.clip(band, low[here], high[here], out=band)


def _window(alpha: np.ndarray, first: int, last: int) -> np.ndarray:
    """The 3 x 3 pixels around each pixel of the rows `first` up to `last`; the edge is repeated."""
    above, below = max(first - 1, 0), min(last + 1, len(alpha))
    missing = (above - (first - 1), last + 1 - below)
    return sliding_window_view(np.pad(alpha[above:below], (missing, (1, 1)), mode="edge"), (3, 3))
