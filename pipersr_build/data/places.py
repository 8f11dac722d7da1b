"""Where the patches of a batch lie: a pure function of seed, step and place in the global batch.

The numbers come from Philox, a generator that is addressed instead of advanced (J. K. Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011): block (row, step) of 256 bits is patch `row` of
step `step`. So a process draws its own patches only, and the batch does not depend on how many
processes share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipersr_build.errors import InputError

Key = NDArray[np.uint64]

_PER_PATCH = 4  # 64-bit numbers in a block of Philox: picture, top, left, orientation
_ORIENTATIONS = 8


@dataclass(frozen=True, eq=False)
class Places:
    """One entry per patch in arrays of shape B, int64.

    `row`: place in the global batch; `picture`: index; `top`, `left`: the corner in LR pixels; `turn`:
    0..7, transposed (4) or not, then upside down (2) or not and mirrored (1) or not.
    """

    row: NDArray[np.int64]
    picture: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    turn: NDArray[np.int64]


def key_of(seed: int, stream: int) -> Key:
    """The key of one of the independent sequences of random numbers that a seed has."""
    return np.random.SeedSequence([seed, stream]).generate_state(2, np.uint64).astype(np.uint64)


def cumulative_weights(
    sizes: NDArray[np.int64], emphasis: Sequence[float] | None, names: Sequence[str]
) -> NDArray[np.float64]:
    """Running sums of area times emphasis, for `draw`.

    Args:
        sizes: N, 2: height and width of every picture.
        emphasis: a factor for every picture, not negative; 1 each if None.
        names: of the pictures, for the error.

    Raises:
        ValueError: there are more or fewer factors than pictures.
        InputError: a factor is negative or not finite, or all are 0.
    """
    factors = np.ones(len(sizes)) if emphasis is None else np.asarray(emphasis, np.float64)
    if factors.shape != (len(sizes),):
        raise ValueError(f"{len(sizes)} pictures, but emphasis of shape {factors.shape}")
    bad = np.flatnonzero(~(np.isfinite(factors) & (factors >= 0)))
    if len(bad):
        what = f"the emphasis of the picture is {factors[bad[0]]:g}"
        raise InputError(what, where=names[bad[0]], fix="give 0 (never chosen) or more")
    if not factors.any():
        raise InputError("every picture has the emphasis 0", fix="give one of them more")
    return np.cumsum(sizes.prod(axis=1) * factors)


def draw(
    key: Key,
    step: int,
    rows: range,
    sizes: NDArray[np.int64],
    weights: NDArray[np.float64],
    patch: int,
) -> Places:
    """Draw the patches `rows` of the global batch of `step`.

    A picture is chosen with a probability proportional to its weight, the corner and the orientation
    uniformly.

    Args:
        key: `key_of` the seed.
        step: counted from 0.
        rows: consecutive places in the global batch.
        sizes: N, 2: height and width of every picture in LR pixels, none below `patch`.
        weights: N, from `cumulative_weights`.
        patch: height and width of a patch in LR pixels.
    """
    uniform = _uniform(key, step, rows)
    picture = np.searchsorted(weights, uniform[:, 0] * weights[-1], "right")
    corners = (uniform[:, 1:3] * (sizes[picture] - patch + 1)).astype(np.int64)
    turn = (uniform[:, 3] * _ORIENTATIONS).astype(np.int64)
    return Places(np.arange(rows.start, rows.stop), picture, corners[:, 0], corners[:, 1], turn)


def generator(key: Key, step: int, row: int) -> np.random.Generator:
    """A generator of its own for one patch, for whatever needs an unknown count of numbers."""
    return np.random.Generator(np.random.Philox(key=key, counter=[0, row, step, 0]))


def _uniform(key: Key, step: int, rows: range) -> NDArray[np.float64]:
    """Shape B, 4, in [0, 1): 53 bits each, so that a product with n rounds to less than n.

    From the raw numbers because NumPy promises that these never change, as `Generator`'s may.
    """
    raw = np.random.Philox(key=key, counter=[rows.start, step, 0, 0]).random_raw(_PER_PATCH * len(rows))
    bits = (raw >> np.uint64(11)).reshape(len(rows), _PER_PATCH)
    return bits.astype(np.float64) * 2.0**-53
