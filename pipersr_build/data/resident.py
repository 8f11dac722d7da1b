"""The whole corpus in the training device's memory: patches are cut, turned and mirrored there.

A patch is a regular grid over the pixels of its picture, whatever its orientation: pixel (i, j) of the
patch lies at start + i * down + j * right. So three numbers for each patch travel to the device, drawn
by the host's sampler, and a batch is one gather.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipersr_build.data.places import Places
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.errors import InputError, MachineError
from pipersr_build.scales import to_hr

Progress = Callable[[int, int, str], None]  # pictures copied (LR and HR count alike), in all, the last

_SHARE = 0.8  # of the memory that is free: training needs some too


@dataclass(frozen=True, eq=False)
class Shelf:
    """Pictures one after the other: `pixels` of shape N, 3, uint8, on the device; first pixels and widths."""

    pixels: Tensor
    offsets: NDArray[np.int64]
    widths: NDArray[np.int64]

    def grids(self, places: Places, edge: int, zoom: float) -> NDArray[np.int64]:
        """Start, down and right of each patch, shape B, 3.

        Args:
            places: of the patches, in LR pixels.
            edge: of a patch on this shelf.
            zoom: pixels on this shelf per LR pixel.
        """
        width = self.widths[places.picture]
        top, left = to_hr(places.top, zoom), to_hr(places.left, zoom)
        corner = self.offsets[places.picture] + top * width + left
        transposed, flipped, mirrored = ((places.turn & bit).astype(bool) for bit in (4, 2, 1))
        down, right = np.where(transposed, 1, width), np.where(transposed, width, 1)
        start = corner + (edge - 1) * (down * flipped + right * mirrored)
        return np.stack([start, np.where(flipped, -down, down), np.where(mirrored, -right, right)], axis=1)

    def take(self, grids: Tensor, edge: int) -> Tensor:
        """The patches at `grids`, B, 3, uint8: B, edge, edge, 3."""
        along = torch.arange(edge, device=grids.device)
        start, down, right = grids[:, :, None, None].unbind(1)
        return self.pixels[start + down * along[:, None] + right * along]


class ResidentSampler:
    """Gives the batches of a `PatchSampler`, bit for bit, made on the device and left there.

    Args:
        sampler: draws the patches; its pictures are copied to the device, once.
        device: of the training.
        progress: called after each picture.

    Raises:
        InputError: the sampler degrades pictures, which is done on the host.
        MachineError: the device has too little free memory.
    """

    def __init__(
        self, sampler: PatchSampler, device: torch.device | str, progress: Progress | None = None
    ) -> None:
        if sampler.degrade is not None:
            fix = "set data.resident=false or leave data.degradations empty"
            raise InputError("degradations work on the host, not in the device's memory", fix=fix)
        self.device, self.host = torch.device(device), sampler
        _check_memory(sampler, self.device)
        self._white = torch.tensor(255.0, device=self.device)
        copied = _Count(progress, sampler.names * 2)
        self._lr = _shelf(sampler.lr, self.device, copied)
        self._hr = _shelf(sampler.hr, self.device, copied)

    def resized(self, patch_lr: int, batch: int) -> "ResidentSampler":
        """The same sampler with other patches (`PatchSampler.resized`); the pictures are shared."""
        other = copy.copy(self)
        other.host = self.host.resized(patch_lr, batch)
        return other

    def batch(self, step: int, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """As `PatchSampler.batch`, on the device."""
        places = self.host.places(step, rank, world)
        edge, scale = self.host.patch_lr, self.host.scale
        hr_edge = to_hr(edge, scale)
        grids = [self._lr.grids(places, edge, 1), self._hr.grids(places, hr_edge, scale)]
        lr, hr = torch.from_numpy(np.stack(grids)).to(self.device, non_blocking=True)
        return self._tensor(self._lr.take(lr, edge)), self._tensor(self._hr.take(hr, hr_edge))

    def _tensor(self, patches: Tensor) -> Tensor:
        """B, 3, H, W in [0, 1]. By a tensor: torch turns a plain 255 into a multiplication on GPUs."""
        return patches.to(torch.float32).div_(self._white).permute(0, 3, 1, 2)


def resident_bytes(sampler: PatchSampler) -> int:
    """What the sampler's pictures take of a device's memory."""
    return sum(rgb.size for rgb in [*sampler.lr, *sampler.hr])


class _Count:
    """Tells how many of the pictures with these names are copied."""

    def __init__(self, progress: Progress | None, names: list[str]) -> None:
        self._progress, self._names, self._done = progress, names, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, len(self._names), self._names[self._done - 1])


def _shelf(pictures: Sequence[NDArray[np.uint8]], device: torch.device, copied: Callable[[], None]) -> Shelf:
    """Copy the pictures one by one, so that the host never holds them all."""
    counts = np.array([rgb.shape[0] * rgb.shape[1] for rgb in pictures], np.int64)
    ends = np.cumsum(counts)
    pixels = torch.empty((int(ends[-1]), 3), dtype=torch.uint8, device=device)
    for rgb, end, count in zip(pictures, ends, counts, strict=True):
        pixels[end - count : end] = torch.from_numpy(np.array(rgb).reshape(-1, 3)).to(device)
        copied()
    return Shelf(pixels, ends - counts, np.array([rgb.shape[1] for rgb in pictures], np.int64))


def _check_memory(sampler: PatchSampler, device: torch.device) -> None:
    """Raise before the copy, not in the middle of it; where the device does not tell, try."""
    if device.type != "cuda":
        return
    needed, free = resident_bytes(sampler), torch.cuda.mem_get_info(device)[0]
    if needed > _SHARE * free:
        what = (
            f"the corpus takes {needed / 2**30:.1f} GiB of the device's {free / 2**30:.1f} GiB that are free"
        )
        raise MachineError(what, fix="set data.resident=false, or train on fewer pictures")
