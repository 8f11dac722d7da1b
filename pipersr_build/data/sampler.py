"""Random training patches as a pure function of seed and step: nothing to save, nothing to lose."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipersr_build.data.degradations import Pipeline
from pipersr_build.data.pictures import Pair, Picture
from pipersr_build.data.places import Places, cumulative_weights, draw, generator, key_of
from pipersr_build.data.resize import crop_to_multiple, downscale
from pipersr_build.errors import InputError
from pipersr_build.scales import ratio, to_hr, to_lr

_PLACES, _DEGRADATIONS = 0, 1  # the streams of random numbers


class PatchSampler:
    """Aligned LR and HR crops, turned and mirrored at random.

    A picture is chosen with a probability proportional to its area times its emphasis, the corner and
    one of the eight orientations uniformly. Small pictures that are not given are made once, here
    (`resize.downscale`), unless `degrade` makes the LR patches.

    Patch `row` of the global batch of a step depends on seed, step and row alone: one process with
    batches of 16 and two with batches of 8 see the same 16 patches.

    Args:
        pictures: the training pictures, or ready pairs of them and their small versions.
        patch_lr: height and width of an LR patch in pixels.
        scale: HR pixels per LR pixel; at 1.5, patches have even LR sizes and places.
        batch: patches in a batch (of one process).
        seed: not negative.
        emphasis: of each picture, a factor on its area; 0 leaves it out.
        degrade: makes each LR patch from HR pixels when it is needed; without steps, by bicubic.

    Raises:
        InputError: there are no pictures, one is smaller than a patch, a small version is not of the
            right size, or a number is out of range.
    """

    def __init__(
        self,
        pictures: Sequence[Picture] | Sequence[Pair],
        patch_lr: int,
        scale: float,
        batch: int,
        seed: int,
        emphasis: Sequence[float] | None = None,
        degrade: Pipeline | None = None,
    ) -> None:
        _at_least(1, patch=patch_lr, scale=scale, batch=batch)
        _check_patch(patch_lr, scale)
        _at_least(0, seed=seed)
        self.patch_lr, self.scale, self.batch_size, self.seed = patch_lr, scale, batch, seed
        self.names = [picture.name for picture in pictures]
        self.degrade = degrade
        originals = [item.hr if isinstance(item, Pair) else item.rgb for item in pictures]
        self._check_sizes(originals)
        self._sizes = to_lr(np.array([rgb.shape[:2] for rgb in originals], np.int64), scale)
        self._weights = cumulative_weights(self._sizes, emphasis, self.names)
        self._keys = key_of(seed, _PLACES), key_of(seed, _DEGRADATIONS)
        for item in pictures:
            _check_pair(item, scale)
        self.hr = [crop_to_multiple(rgb, scale) for rgb in originals]
        self.lr = [] if degrade is not None else [_small(item, scale) for item in pictures]

    @property
    def minimum(self) -> int:
        """The least height and width of an HR picture, in pixels."""
        return to_hr(self.patch_lr, self.scale)

    def resized(self, patch_lr: int, batch: int) -> "PatchSampler":
        """The same sampler with other patches, for another part of a run; the pictures are shared.

        Raises:
            InputError: a number is below 1, or a picture is smaller than a patch.
        """
        _at_least(1, patch=patch_lr, batch=batch)
        _check_patch(patch_lr, self.scale)
        other = copy.copy(self)
        other.patch_lr, other.batch_size = patch_lr, batch
        other._check_sizes(self.hr)
        return other

    def places(self, step: int, rank: int = 0, world: int = 1) -> Places:
        """Where the patches lie that process `rank` of `world` sees at `step` (counted from 0).

        Raises:
            ValueError: `step` is negative or `rank` is not in 0..world-1.
        """
        if step < 0 or not 0 <= rank < world:
            raise ValueError(f"step {step}, rank {rank} of {world}")
        rows = range(rank * self.batch_size, (rank + 1) * self.batch_size)
        unit = ratio(self.scale)[1]  # patches begin at multiples of it
        places = draw(self._keys[0], step, rows, self._sizes // unit, self._weights, self.patch_lr // unit)
        return replace(places, top=places.top * unit, left=places.left * unit)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """The batch that process `rank` of `world` sees at `step` (counted from 0).

        Returns:
            LR of shape B, 3, patch, patch and HR of shape B, 3, scale * patch, scale * patch, float32
            in [0, 1]: the 8-bit values divided by 255.

        Raises:
            ValueError: `step` is negative or `rank` is not in 0..world-1.
        """
        places = self.places(step, rank, world)
        edge, scale = self.patch_lr, self.scale
        hr_edge = to_hr(edge, scale)
        lr = np.empty((self.batch_size, edge, edge, 3), np.uint8)
        hr = np.empty((self.batch_size, hr_edge, hr_edge, 3), np.uint8)
        columns = (places.row, places.picture, places.top, places.left, places.turn)
        for row, index, top, left, turn in zip(*(column.tolist() for column in columns), strict=True):
            place = row - int(places.row[0])
            lr[place] = _turned(self._lr_patch(step, row, index, top, left), turn)
            hr[place] = _turned(_cut(self.hr[index], to_hr(top, scale), to_hr(left, scale), hr_edge), turn)
        return _tensor(lr), _tensor(hr)

    def _lr_patch(self, step: int, row: int, index: int, top: int, left: int) -> NDArray[np.uint8]:
        if self.degrade is None:
            return _cut(self.lr[index], top, left, self.patch_lr)
        random = generator(self._keys[1], step, row)
        return self.degrade.lr_patch(self.hr[index], top, left, self.patch_lr, int(self.scale), random)

    def _check_sizes(self, originals: Sequence[NDArray[np.uint8]]) -> None:
        if not originals:
            raise InputError("there are no pictures to train on", fix="add pictures")
        for name, rgb in zip(self.names, originals, strict=True):
            height, width = rgb.shape[:2]
            if min(height, width) < self.minimum:
                needed = f"{self.minimum}x{self.minimum}"
                what = f"the picture has {width}x{height} pixels, a patch needs {needed}"
                raise InputError(what, where=name, fix="remove it or choose a smaller patch")


def _at_least(least: int, **numbers: float) -> None:
    for name, value in numbers.items():
        if value < least:
            raise InputError(f"the {name} is {value}", fix=f"give {least} or more")


def _check_patch(patch: int, scale: float) -> None:
    unit = ratio(scale)[1]
    if patch % unit:
        raise InputError(f"the patch is {patch}", fix=f"give a multiple of {unit} at {scale:g}x")


def _check_pair(item: Picture | Pair, scale: float) -> None:
    """Refuse a pair whose HR picture is not `scale` times as large as its LR picture."""
    if not isinstance(item, Pair):
        return
    (height, width), (hr_height, hr_width) = item.lr.shape[:2], item.hr.shape[:2]
    if (hr_height, hr_width) != (to_hr(height, scale), to_hr(width, scale)):
        what = (
            f"the HR picture has {hr_width}x{hr_height} pixels, not {scale:g} times the LR's {width}x{height}"
        )
        raise InputError(what, where=item.name, fix="prepare the pictures again for this scale")


def _small(item: Picture | Pair, scale: float) -> NDArray[np.uint8]:
    return item.lr if isinstance(item, Pair) else downscale(item.rgb, scale)


def _cut(rgb: NDArray[np.uint8], top: int, left: int, edge: int) -> NDArray[np.uint8]:
    return rgb[top : top + edge, left : left + edge]


def _turned(patch: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """One of the eight orientations, numbered as in `Places`."""
    if turn & 4:
        patch = patch.transpose(1, 0, 2)
    return patch[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def _tensor(patches: NDArray[np.uint8]) -> Tensor:
    """B, 3, H, W in channels_last memory order, which is the order of the pictures: no transposition.

    The division is numpy's because batches are made in a thread of their own: torch would start a
    second team of threads there, which gets in the first one's way.
    """
    return torch.from_numpy(np.divide(patches, 255, dtype=np.float32)).permute(0, 3, 1, 2)
