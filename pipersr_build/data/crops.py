"""Crops for the eye."""

import numpy as np


def busiest(rgb: np.ndarray, edge: int) -> tuple[int, int]:
    """Top and left of the edge x edge window with the most detail (sum of absolute gradients)."""
    grey = rgb.astype(np.float64).mean(axis=2)
    detail = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(
        np.diff(grey, axis=1, append=grey[:, -1:])
    )
    sums = np.pad(detail.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    high, wide = min(edge, grey.shape[0]), min(edge, grey.shape[1])
    windows = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)
