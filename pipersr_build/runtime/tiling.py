"""Upscale a picture of any size with a network or package of one fixed tile size.

A tile's output is trusted only `halo` LR pixels away from its cut edges, where `halo` is the
network's receptive radius; a picture's own border needs none, because there the tile's zero padding
is the picture's. Tiles at the far border are shifted inwards rather than padded, so the tiled output
equals the whole frame's. Only a picture smaller than the tile is padded, by repeating its edge.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipersr_build.errors import InputError


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


def tiles(height: int, width: int, tile: int, halo: int) -> Iterator[tuple[Span, Span]]:
    """The tiles of a picture as (row span, column span), row by row."""
    columns = spans(width, tile, halo)
    for row in spans(height, tile, halo):
        for column in columns:
            yield row, column


def upscale_tiled(
    lr: np.ndarray, run: Callable[[np.ndarray], np.ndarray], *, tile: int, halo: int, scale: int
) -> np.ndarray:
    """Upscale height, width, 3 (uint8) with `run`, which upscales one tile x tile picture.

    Returns:
        scale height, scale width, 3 (uint8).
    """
    height, width = lr.shape[:2]
    below, right = max(0, tile - height), max(0, tile - width)
    padded = np.pad(lr, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else lr
    sr = np.empty((height * scale, width * scale, 3), np.uint8)
    for row, column in tiles(height, width, tile, halo):
        piece = run(padded[row.start : row.start + tile, column.start : column.start + tile])
        y, x = row.start * scale, column.start * scale
        top, bottom, left, end = (n * scale for n in (row.first, row.last, column.first, column.last))
        sr[top:bottom, left:end] = piece[top - y : bottom - y, left - x : end - x]
    return sr
