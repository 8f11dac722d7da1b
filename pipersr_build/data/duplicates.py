"""Near-duplicates: pictures that are in two sets, resized, recompressed, turned, mirrored or trimmed.

Candidates have perceptual hashes (pHash: signs of 64 low frequencies of the cosine transform) that
differ in few bits in one of the eight orientations, as they are or with the one or the other trimmed
by 6 % at nine places. A candidate is confirmed by the normalised correlation of thumbnails of 8x8
pixels, so that accidents of the hash and flat pictures, whose hash is noise, raise no alarm. A picture
of one grey is never a duplicate.

The limits were set on 604 training photographs (from BSDS300, General-100, T91, DIV2K, Kodak and
others) and the 119 test photographs of Set5, Set14 and BSD100. Different pictures: in 10.9 million
comparisons the highest correlation within 12 bits was 0.873. Copies of the 119 and of scikit-image's
photographs: all found if halved, doubled, turned, mirrored or JPEG of quality 10 (within 8 bits), or
trimmed by 2 % of height and width at random sides; 99 % if trimmed by 4 or 8 %, 97 % by 10 %, 80 % by
12 %; and no other picture was taken for a copy but Set5's head for Set14's face, which is one. Thumbnails
of 32x32 would be too fine: trimming by 4 % lowers their correlation to 0.73.

Pictures that overlap only in part (two crops of one photograph) are not found.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Named = tuple[str, NDArray[np.uint8]]

MOST_BITS = 12
LEAST_CORRELATION = 0.92
ORIENTATIONS = (  # what was done to the one to get the other; the index is that of `Places.turn`
    "as it is", "mirrored", "upside down", "turned 180°",
    "transposed", "turned 90° clockwise", "turned 90° anticlockwise", "transposed, turned 180°",
)  # fmt: skip

_HASHED, _COMPARED = 32, 8  # edges in pixels
_WORKED = 256  # edge of the picture that all trimmed ones are cut from
_TRIMMED = 0.94  # of the height and width: for copies that were trimmed by up to 10 %
_TRIMS = [(0.0, 0.0, 1.0)] + [
    (top * (1 - _TRIMMED), left * (1 - _TRIMMED), _TRIMMED) for top in (0, 0.5, 1) for left in (0, 0.5, 1)
]


@dataclass(frozen=True)
class Match:
    """Two pictures that are the same: `test`, treated as `orientation` says, is `train`.

    `distance`: bits of 64 in which the hashes differ; `correlation`: of the thumbnails, at most 1; both
    after the one or the other was trimmed, if that brings them closer.
    """

    train: str
    test: str
    distance: int
    correlation: float
    orientation: str


@dataclass(frozen=True, eq=False)
class _Index:
    """N pictures, trimmed in T ways, the first of them not at all, in K orientations.

    `hashes` of shape N, T, K; `thumbnails` are unit vectors, N, T, K, 64.
    """

    names: list[str]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float64]


def find_duplicates(train: Iterable[Named], test: Iterable[Named]) -> list[Match]:
    """Every pair of a training and a test picture that show the same, in the order of `test`.

    Args:
        train: names and uint8 pictures of shape height, width, 3; read one at a time.
        test: the same.
    """
    known, asked = _index(train, turns=1), _index(test, turns=len(ORIENTATIONS))
    return [
        match
        for number in range(len(asked.names))
        for match in _matches(known, asked, number)
    ]  # fmt: skip


def _matches(known: _Index, asked: _Index, number: int) -> Iterable[Match]:
    """The training pictures that test picture `number` is, each as trimmed and turned as fits best."""
    distance, correlation = _compare(known, asked, number)
    same = (distance <= MOST_BITS) & (correlation >= LEAST_CORRELATION)
    for index in np.flatnonzero(same.any(axis=(1, 2))):
        best = int(np.argmax(np.where(same[index], correlation[index], -1)))
        trim, turn = np.unravel_index(best, same.shape[1:])
        yield Match(
            known.names[index],
            asked.names[number],
            int(distance[index, trim, turn]),
            float(correlation[index, trim, turn]),
            ORIENTATIONS[turn],
        )


def _compare(known: _Index, asked: _Index, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Distances and correlations N, 2 T - 1, 8: whole with trimmed ones, then trimmed with whole ones."""
    pairs = ((slice(0, 1), slice(None)), (slice(1, None), slice(0, 1)))
    distance = [np.bitwise_count(known.hashes[:, ours] ^ asked.hashes[number, its]) for ours, its in pairs]
    correlation = [
        (known.thumbnails[:, ours] * asked.thumbnails[number, its]).sum(axis=-1) for ours, its in pairs
    ]
    return np.concatenate(distance, axis=1), np.concatenate(correlation, axis=1)


def _index(pictures: Iterable[Named], turns: int) -> _Index:
    names, hashes, thumbnails = [], [], []
    for name, rgb in pictures:
        views = [[_turned(image, turn) for turn in range(turns)] for image in _trimmed(rgb)]
        names.append(name)
        hashes.append([[_hash(image) for image in row] for row in views])
        thumbnails.append([[_thumbnail(image) for image in row] for row in views])
    shape = len(names), len(_TRIMS), turns
    return _Index(
        names,
        np.array(hashes, np.uint64).reshape(shape),
        np.array(thumbnails).reshape(*shape, _COMPARED * _COMPARED),
    )


def _trimmed(rgb: NDArray[np.uint8]) -> Iterable[NDArray[np.uint8]]:
    """Luma, 32 x 32 (the size that the hash transforms, so that turning costs nothing), for `_TRIMS`."""
    luma = Image.fromarray(rgb).convert("L").resize((_WORKED, _WORKED), Image.Resampling.LANCZOS)
    for top, left, edge in _TRIMS:
        box = _WORKED * left, _WORKED * top, _WORKED * (left + edge), _WORKED * (top + edge)
        yield np.array(luma.resize((_HASHED, _HASHED), Image.Resampling.LANCZOS, box=box))


def _turned(image: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """One of the eight orientations, numbered as in `Places`."""
    if turn & 4:
        image = image.T
    return np.ascontiguousarray(image[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1])


def _hash(image: NDArray[np.uint8]) -> int:
    return int(str(imagehash.phash(Image.fromarray(image))), 16)


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean levels of 8 x 8 fields without their mean, of length 1 (or 0 where there is nothing)."""
    fields = image.reshape(_COMPARED, _HASHED // _COMPARED, _COMPARED, -1).mean(axis=(1, 3)).ravel()
    centred: NDArray[np.float64] = fields - fields.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 0 else centred
