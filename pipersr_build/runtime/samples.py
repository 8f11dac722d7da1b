"""Samples of pictures: whole numbers of 8 or 16 bits, or floating point in [0, 1]; gray, colour, see-through.

A picture is an array of height, width (gray) or height, width, channels: 2 gray and alpha, 3 RGB, 4 RGB and
alpha.
"""

from collections.abc import Callable

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # one tile, height, width, 3, to the same type, enlarged

LUMA = (299, 587, 114)  # thousandths of R, G, B: ITU-R BT.601
CHANNELS = (2, 3, 4)


def check_samples(samples: np.ndarray) -> None:
    """Raise ValueError unless the array is a picture: see the module's description."""
    shaped = samples.ndim == 2 or (samples.ndim == 3 and samples.shape[2] in CHANNELS)
    typed = samples.dtype in (np.uint8, np.uint16) or samples.dtype.kind == "f"
    if not shaped or not typed or samples.size == 0:
        raise ValueError(
            f"a picture is an array of uint8, uint16 or floating point in [0, 1] of shape height, width or"
            f" height, width, 2 to 4; got {samples.dtype} of shape {samples.shape}"
        )


def white(dtype: np.dtype) -> int:
    """The sample of white, or of opaque: 255, 65535, or 1."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour (height, width or height, width, 3) and alpha (height, width; None where there is none)."""
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        colour = samples[..., 0] if samples.shape[2] == 2 else samples[..., :3]
        return colour, samples[..., -1]
    return samples, None


def through_8_bits(run: Run) -> Run:
    """`run`, which takes and returns uint8, for samples of every type.

    Deeper samples are rounded to 8 bits before it, and its 8 bits are spread over their range after it.
    """

    def deeper(tile: np.ndarray) -> np.ndarray:
        if tile.dtype == np.uint8:
            return run(tile)
        return from_unit(to_unit(run(to_8_bits(tile))), tile.dtype)

    return deeper


def through_unit(run: Run, dtype: np.dtype) -> Run:
    """`run`, which takes and returns tensors 1, 3, H, W in [0, 1] of `dtype`, for samples of every type."""

    def levels(tile: np.ndarray) -> np.ndarray:
        tensor = np.ascontiguousarray(to_unit(tile).transpose(2, 0, 1)[None], dtype)
        return from_unit(run(tensor)[0].transpose(1, 2, 0), tile.dtype)

    return levels


def through_colour(run: Run) -> Run:
    """`run` for gray tiles, height, width: three equal channels in, the luma of what comes out."""

    def gray(tile: np.ndarray) -> np.ndarray:
        return luma(run(np.repeat(tile[..., None], 3, axis=2)))

    return gray


def luma(rgb: np.ndarray) -> np.ndarray:
    """BT.601 luma of height, width, 3, in its own type, rounded to the nearest whole number."""
    if rgb.dtype.kind == "f":
        weights = np.array(LUMA, np.float64) / 1000
        return (rgb.astype(np.float64) @ weights).astype(rgb.dtype)
    red, green, blue = (rgb[..., i].astype(np.uint32) * weight for i, weight in enumerate(LUMA))
    return ((red + green + blue + 500) // 1000).astype(rgb.dtype)


def to_unit(samples: np.ndarray) -> np.ndarray:
    """Samples as float32 in [0, 1]; floating point is clipped, and NaN is 0."""
    if samples.dtype.kind == "u":
        return samples.astype(np.float32) / np.float32(white(samples.dtype))
    return np.nan_to_num(samples.astype(np.float32), nan=0.0).clip(0, 1)


def from_unit(unit: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values around [0, 1] as samples of `dtype`: clipped, NaN 0, whole numbers rounded to the nearest."""
    clipped = np.nan_to_num(unit.astype(np.float32), nan=0.0).clip(0, 1)
    if np.dtype(dtype).kind == "f":
        return clipped.astype(dtype)
    return np.rint(clipped * np.float32(white(np.dtype(dtype)))).astype(dtype)


def to_8_bits(samples: np.ndarray) -> np.ndarray:
    """Samples rounded, not cut, to 8 bits: 65535 becomes 255."""
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.uint16:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return from_unit(samples, np.dtype(np.uint8))
