"""Random training patches as a pure function of seed, step and rank: nothing to save, nothing to lose."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipersr_build.data.pictures import Picture, make_pair
from pipersr_build.errors import InputError


class PatchSampler:
    """Aligned LR and HR crops, turned and mirrored at random.

    A picture is chosen with a probability proportional to its area, the corner and one of the eight
    orientations uniformly. The small pictures are made once, here (`resize.downscale`).

    Args:
        pictures: the training pictures.
        patch_lr: height and width of an LR patch in pixels.
        scale: HR pixels per LR pixel.
        batch: patches in a batch (of one rank).
        seed: not negative.

    Raises:
        InputError: there are no pictures, one is smaller than a patch, or a number is out of range.
    """

    def __init__(self, pictures: Sequence[Picture], patch_lr: int, scale: int, batch: int, seed: int) -> None:
        _at_least(1, patch=patch_lr, scale=scale, batch=batch)
        _at_least(0, seed=seed)
        self.patch_lr, self.scale, self.batch_size, self.seed = patch_lr, scale, batch, seed
        self._check(pictures)
        self.pairs = [make_pair(picture, scale) for picture in pictures]
        self._corners = np.array([pair.lr.shape[:2] for pair in self.pairs]) - patch_lr + 1
        self._areas = np.cumsum([pair.lr.shape[0] * pair.lr.shape[1] for pair in self.pairs])

    @property
    def minimum(self) -> int:
        """The least height and width of an HR picture, in pixels."""
        return self.patch_lr * self.scale

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """The batch that process `rank` of `world` sees at `step` (counted from 0).

        Returns:
            LR of shape B, 3, patch, patch and HR of shape B, 3, scale * patch, scale * patch, float32
            in [0, 1]: the 8-bit values divided by 255.

        Raises:
            ValueError: `step` is negative or `rank` is not in 0..world-1.
        """
        if step < 0 or not 0 <= rank < world:
            raise ValueError(f"step {step}, rank {rank} of {world}")
        random = np.random.default_rng([self.seed, step, rank])
        chosen = np.searchsorted(self._areas, random.integers(self._areas[-1], size=self.batch_size), "right")
        corners = random.integers(self._corners[chosen])
        turns = random.integers(8, size=self.batch_size)
        edge, scale = self.patch_lr, self.scale
        lr = np.empty((self.batch_size, edge, edge, 3), np.uint8)
        hr = np.empty((self.batch_size, edge * scale, edge * scale, 3), np.uint8)
        for row, (index, (top, left), turn) in enumerate(zip(chosen, corners.tolist(), turns, strict=True)):
            pair = self.pairs[index]
            lr[row] = _turned(_cut(pair.lr, top, left, edge), turn)
            hr[row] = _turned(_cut(pair.hr, top * scale, left * scale, edge * scale), turn)
        return _tensor(lr), _tensor(hr)

    def _check(self, pictures: Sequence[Picture]) -> None:
        if not pictures:
            raise InputError("there are no pictures to train on", fix="add pictures")
        for picture in pictures:
            if min(picture.rgb.shape[:2]) < self.minimum:
                what = f"the picture has {picture.size} pixels, a patch needs {self.minimum}x{self.minimum}"
                raise InputError(what, where=picture.name, fix="remove it or choose a smaller patch")


def _at_least(least: int, **numbers: int) -> None:
    for name, value in numbers.items():
        if value < least:
            raise InputError(f"the {name} is {value}", fix=f"give {least} or more")


def _cut(rgb: NDArray[np.uint8], top: int, left: int, edge: int) -> NDArray[np.uint8]:
    return rgb[top : top + edge, left : left + edge]


def _turned(patch: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """One of the eight orientations: transposed or not, upside down or not, mirrored or not."""
    if turn & 4:
        patch = patch.transpose(1, 0, 2)
    return patch[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def _tensor(patches: NDArray[np.uint8]) -> Tensor:
    """B, 3, H, W in channels_last memory order, which is the order of the pictures: no transposition.

    The division is numpy's because batches are made in a thread of their own: torch would start a
    second team of threads there, which gets in the first one's way.
    """
    return torch.from_numpy(np.divide(patches, 255, dtype=np.float32)).permute(0, 3, 1, 2)
