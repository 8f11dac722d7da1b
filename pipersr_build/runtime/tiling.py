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
    out: np.ndarray | None = None,
    after: Callable[[], None] | None = None,
) -> np.ndarray:
    """Upscale a picture with `run`, which upscales pictures of `tile` (height, width).

    Halos (height, width) are cut off each tile's inner edges; only a picture smaller than the tile is
    padded, by repeating its edge. Beside the picture and its result, memory is that of one tile.

    Args:
        lr: of shape height, width or height, width, channels; of any type.
        run: upscales one tile; its results are of one type and number of channels.
        tile: its size in LR pixels.
        halo: how far from a cut edge its output cannot be trusted, in LR pixels.
        scale: HR pixels per LR pixel; at 1.5, tiles are even and begin at even pixels, where its phases do.
        out: where the result goes; new if None.
        after: called after every tile; what it raises ends the work.

    Returns:
        What `run` makes, of shape scale height, scale width, …; rounded down.
    """
    rows, columns = (_whole(length, scale) for length in lr.shape[:2])
    halo = (_whole(halo[0], scale), _whole(halo[1], scale))
    limits = to_hr(lr.shape[0], scale), to_hr(lr.shape[1], scale)
    for row in spans(rows, tile[0], halo[0]):
        for column in spans(columns, tile[1], halo[1]):
            piece = run(_cut(lr, (row.start, column.start), tile))
            if out is None:
                out = np.empty((*limits, *piece.shape[2:]), piece.dtype)
            here = out[
                _kept(row, scale), _kept(column, scale)
            ]  # a last row of odd pictures at 1.5 is cut off
            kept = piece[_kept(row, scale, row.start), _kept(column, scale, column.start)]
            here[...] = kept[: here.shape[0], : here.shape[1]]
            if after is not None:
                after()
    assert out is not None
    return out


def count_tiles(size: tuple[int, int], tile: tuple[int, int], halo: tuple[int, int], scale: float) -> int:
    """How many tiles a picture of `size` (height, width) takes; see `upscale_tiled`."""
    rows, columns = (
        len(spans(_whole(length, scale), tile[axis], _whole(halo[axis], scale)))
        for axis, length in enumerate(size)
    )
    return rows * columns


def _whole(length: int, scale: float) -> int:
    """The length with as many LR pixels more as it takes to be enlarged to whole HR pixels."""
    return length + -length % ratio(scale)[1]


def _cut(lr: np.ndarray, start: tuple[int, int], tile: tuple[int, int]) -> np.ndarray:
    """The tile that starts there; beyond the picture its edge is repeated."""
    piece = lr[start[0] : start[0] + tile[0], start[1] : start[1] + tile[1]]
    missing = [(0, tile[0] - piece.shape[0]), (0, tile[1] - piece.shape[1])]
    if missing == [(0, 0), (0, 0)]:
        return piece
    return np.pad(piece, [*missing, *[(0, 0)] * (lr.ndim - 2)], mode="edge")


def _kept(span: Span, scale: float, start: int = 0) -> slice:
    """What is kept of a tile along one axis, in HR pixels counted from `start`."""
    return slice(to_hr(span.first - start, scale), to_hr(span.last - start, scale))
