"""Upscale a picture of any size with a network or package of one fixed tile size.

A tile's output is trusted only `halo` LR pixels away from its cut edges, where `halo` is the
network's receptive radius; a picture's own border needs none, because there the tile's zero padding
is the picture's. Tiles at the far border are shifted inwards rather than padded, so the tiled output
equals the whole frame's. Only a picture smaller than the tile is padded, by repeating its edge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.scales import ratio, to_hr


@dataclass(frozen=True)
class Span:
    """One tile along one axis: it starts at `start`, and its output is kept from `first` up to `last`."""

    start: int
    first: int
    last: int


def spans(length: int, tile: int, halo: int) -> list[Span]:
    """Cover 0..length with tiles of `tile` pixels that overlap by at least 2 halo (LR pixels).

    Raises:
        InputError: the halo leaves nothing of the tile.
    """
    if tile <= 2 * halo:
        raise InputError(
            f"a tile of {tile} pixels is too small for a halo of {halo}",
            fix=f"use a package with a tile of at least {2 * halo + 1} pixels",
        )
    if length <= tile:
        return [Span(0, 0, length)]
    starts = [*range(0, length - tile, tile - 2 * halo), length - tile]
    edges = [0, *(start + halo for start in starts[1:]), length]
    return [Span(start, *edges[i : i + 2]) for i, start in enumerate(starts)]


def upscale_tiled(
    lr: np.ndarray,
    run: Callable[[np.ndarray], np.ndarray],
    *,
    tile: tuple[int, int],
    halo: tuple[int, int],
    scale: float,
) -> np.ndarray:
    """Upscale a picture with `run`, which upscales pictures of `tile` (height, width).

    Halos (height, width) are cut off each tile's inner edges; only a picture smaller than the tile is
    padded, by repeating its edge.

    Args:
        lr: uint8 of shape height, width, 3.
        run: upscales one tile.
        tile: its size in LR pixels.
        halo: how far from a cut edge its output cannot be trusted, in LR pixels.
        scale: HR pixels per LR pixel; at 1.5, tiles are even and begin at even pixels, where its phases do.

    Returns:
        uint8 of shape scale height, scale width, 3; rounded down.
    """
    unit = ratio(scale)[1]
    height, width = lr.shape[:2]
    rows, columns = (length + -length % unit for length in (height, width))
    halo = (halo[0] + -halo[0] % unit, halo[1] + -halo[1] % unit)
    below, right = max(rows, tile[0]) - height, max(columns, tile[1]) - width
    padded = np.pad(lr, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else lr
    sr = np.empty((to_hr(rows, scale), to_hr(columns, scale), 3), np.uint8)
    for row in spans(rows, tile[0], halo[0]):
        for column in spans(columns, tile[1], halo[1]):
            piece = run(padded[row.start : row.start + tile[0], column.start : column.start + tile[1]])
            kept = piece[_kept(row, scale, row.start), _kept(column, scale, column.start)]
            sr[_kept(row, scale), _kept(column, scale)] = kept
    return sr if unit == 1 else np.ascontiguousarray(sr[: to_hr(height, scale), : to_hr(width, scale)])


def _kept(span: Span, scale: float, start: int = 0) -> slice:
    """What is kept of a tile along one axis, in HR pixels counted from `start`."""
    return slice(to_hr(span.first - start, scale), to_hr(span.last - start, scale))
