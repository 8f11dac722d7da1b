"""A picture file to an enlarged picture with all that belongs to it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipersr_build.errors import InterruptedRunError, MachineError
from pipersr_build.runtime.pictures import LARGEST, Picture, read_picture
from pipersr_build.runtime.samples import split
from pipersr_build.runtime.upscaler import Upscaler
from pipersr_build.scales import to_hr

ROUNDED = "16-bit samples were rounded to the 8 bits that the package takes"

Progress = Callable[[int, int], None]  # tiles done, tiles in all


def upscale_picture(
    source: Path | BinaryIO | Picture,
    upscaler: Upscaler,
    *,
    passes: int = 1,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
    deep: Callable[[], Upscaler | None] | None = None,
    largest: int = LARGEST,
    largest_output: int | None = None,
) -> Picture:
    """Read a picture and enlarge it.

    Args:
        source: a file, a stream of one, or a picture that was read.
        upscaler: what enlarges it.
        passes: how many times; 2 make 4x of 2x.
        progress: told after every tile.
        cancelled: looked at before every tile.
        deep: asked, for a picture of 16 bits, for what enlarges it instead: an upscaler of a tensor package;
            None where there is none.
        largest: pixels that the picture may be wide or high.
        largest_output: the same of the enlarged picture; None: no limit of its own.

    Returns:
        The picture, upright, with the profile, EXIF and resolution of the source; its notes say where
        something could not be kept.

    Raises:
        InputError: see `read_picture`; or it is too large.
        MachineError: there is too little memory for it.
        InterruptedRunError: it was cancelled.
    """
    if not isinstance(source, Picture):
        most = (
            largest if largest_output is None else min(largest, _input_of(largest_output, upscaler, passes))
        )
        source = read_picture(source, largest=most)
    is_deep, chosen = source.samples.dtype == np.uint16, upscaler
    if is_deep and deep is not None:
        chosen = deep() or upscaler
    notes = [ROUNDED] if is_deep and chosen.bits == 8 else []
    try:
        samples = _passes(source.samples, chosen, passes, _Counter(progress, cancelled))
    except MemoryError as error:
        raise too_little_memory() from error
    return replace(source, samples=samples).noted(*notes)


def too_little_memory(where: object = None) -> MachineError:
    """What to tell a user of a MemoryError that a picture caused."""
    fix = "use a smaller picture or fewer passes, or close other programs"
    return MachineError("too little memory for the picture and its enlargement", where=where, fix=fix)


def enlarged(length: int, scale: float, passes: int) -> int:
    """The pixels that `length` pixels become after so many passes."""
    for _ in range(passes):
        length = to_hr(length, scale)
    return length


class _Counter:
    """Tells the progress, and stops when the work is cancelled."""

    def __init__(self, progress: Progress | None, cancelled: threading.Event | None) -> None:
        self._progress, self._cancelled = progress, cancelled
        self.done = self.total = 0

    def check(self) -> None:
        """Stop where the work is cancelled."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise InterruptedRunError("the picture was cancelled")

    def tile(self) -> None:
        """One more tile is done."""
        self.check()
        self.done += 1
        if self._progress is not None:
            self._progress(self.done, max(self.total, self.done))


def _passes(samples: np.ndarray, upscaler: Upscaler, passes: int, counter: _Counter) -> np.ndarray:
    counter.total = _tiles(samples, upscaler, passes)
    for _ in range(passes):
        counter.check()
        samples = upscaler.upscale(samples, after=counter.tile)
    return samples


def _tiles(samples: np.ndarray, upscaler: Upscaler, passes: int) -> int:
    """The tiles of all passes; what is see-through in the first is in all."""
    first = upscaler.tiles(samples)
    per_tile = first // upscaler.tiles(split(samples)[0])
    height, width = samples.shape[:2]
    total = 0
    for done in range(passes):
        size = (enlarged(height, upscaler.scale, done), enlarged(width, upscaler.scale, done))
        total += per_tile * upscaler.tiles(np.broadcast_to(np.uint8(0), size))
    return total


def _input_of(largest_output: int, upscaler: Upscaler, passes: int) -> int:
    """The longest edge whose enlargement is at most so long."""
    length = int(largest_output / upscaler.scale**passes) + 1
    while enlarged(length, upscaler.scale, passes) > largest_output:
        length -= 1
    return length
