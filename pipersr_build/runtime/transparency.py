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
_FILLED = 128  # LR rows filled at a time, for the same reason


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
    filled = np.empty_like(colour, order="C")
    for top in range(0, len(colour), _FILLED):
        bottom = top + _FILLED
        first = max(top - reach, 0)  # nothing further away can get here
        rows = slice(first, bottom + reach)
        filled[top:bottom] = _grow(colour[rows], known[rows], reach)[top - first : bottom - first]
    return filled


def _grow(colour: np.ndarray, known: np.ndarray, reach: int) -> np.ndarray:
    """`fill` of a band, by steps; the outermost rows and columns of what is padded are not the picture's."""
    if known.all() or not known.any():
        return colour
    height, width = known.shape
    known = np.pad(known, 1)
    known_flat = known.reshape(-1)
    planes = colour.reshape(height, width, -1)
    grown = np.zeros((height + 2, width + 2, planes.shape[2]), colour.dtype)
    grown[1:-1, 1:-1] = np.where(known[1:-1, 1:-1, None], planes, 0)
    flat = grown.reshape(-1, planes.shape[2])
    for _ in range(reach):
        border = _border(known)
        if not len(border):
            break
        flat[border] = _means(flat, known_flat, border, width + 2)
        known_flat[border] = True
    return np.where(known[1:-1, 1:-1, None], grown[1:-1, 1:-1], planes).reshape(colour.shape)


def _border(known: np.ndarray) -> np.ndarray:
    """The places, counted row by row, of unknown pixels beside known ones."""
    wide = known[:, :-2] | known[:, 1:-1] | known[:, 2:]
    near = wide[:-2] | wide[1:-1] | wide[2:]
    near &= ~known[1:-1, 1:-1]
    return np.flatnonzero(np.pad(near, 1))


def _means(flat: np.ndarray, known: np.ndarray, places: np.ndarray, width: int) -> np.ndarray:
    """The mean of the known neighbours of each of these places, in the picture's type.

    Args:
        flat: pixels, channels; 0 where nothing is known.
        known: pixels.
        places: of pixels that have a known neighbour.
        width: pixels in a row.
    """
    whole = flat.dtype.kind == "u"
    total = np.zeros((len(places), flat.shape[1]), np.uint32 if whole else np.float64)
    count = np.zeros(len(places), np.uint8)
    for step in (y * width + x for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x):
        total += flat.take(places + step, axis=0)
        count += known.take(places + step)
    means = total / count[:, None]
    return (np.rint(means) if whole else means).astype(flat.dtype)


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
