"""Frames between 8-bit RGB, as decoders and encoders hold them, and the tensors of a network.

Both directions write into an array that the caller keeps and work in bands of pixels that a processor's
caches hold, so that no memory of a frame's size is allocated. Every step releases the interpreter's lock, so
other threads go on meanwhile.

The samples of a tensor are 0 to 1. Coming out they are clamped, and rounded to the nearest of 256 levels, as
the MIL interpreter rounds images: halves to the even one (of fp16 only 0.5 is a half: it becomes 128), NaN
to 0.
"""

import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

PIXELS = 153_600  # of a band: 120 rows of 1280, 18 bytes of scratch a pixel; smaller ones cost more in calls
# The bits of 0, 1 and infinity; of their type, because a clip with Python's integers takes a tenth longer
_HALF = tuple(np.array([0, 1, np.inf], np.float16).view(np.int16))
_SINGLE = tuple(np.array([0, 1, np.inf], np.float32).view(np.int32))
# float32 has no fractions from here on: adding this rounds, and the low byte is the level
_EXACT = torch.tensor(2.0**23)


def rgb8_to_fp16(frame: np.ndarray, out: np.ndarray) -> None:
    """Turn a frame into a tensor: each sample becomes the number nearest to itself over 255.

    Args:
        frame: uint8 of shape height, width, 3; copied first where it is not C-contiguous.
        out: float16 (or float32) of shape 1, 3, height, width, C-contiguous; written.

    Raises:
        ValueError: shapes or types do not fit.
    """
    _check(frame, out, written=out)
    samples, planes = frame.reshape(-1, 3), out.reshape(3, -1)
    for start, stop, band in _bands(len(samples)):
        for channel in range(3):
            _divide(samples[start:stop, channel], planes[channel, start:stop], band)


def _divide(samples: np.ndarray, plane: np.ndarray, band: "_Band") -> None:
    if plane.dtype == np.float32:
        np.divide(samples, np.float32(255), out=plane)
        return
    np.divide(samples, np.float32(255), out=band.plane_for_numpy)
    torch.from_numpy(plane).copy_(band.plane)  # many times as fast as numpy's fp16


def fp16_to_rgb8(tensor: np.ndarray, out: np.ndarray) -> None:
    """Turn a tensor into a frame, clamped and rounded as the module says.

    Args:
        tensor: float16 (or float32) of shape 1, 3, height, width, any values; copied first where it is not
            C-contiguous.
        out: uint8 of shape height, width, 3, C-contiguous; written.

    Raises:
        ValueError: shapes or types do not fit.
    """
    _check(out, tensor, written=out)
    half = tensor.dtype == np.float16
    bits, packed = tensor.reshape(3, -1).view(np.int16 if half else np.int32), out.reshape(-1)
    for start, stop, band in _bands(bits.shape[1]):
        _levels(bits[:, start:stop], band)
        red, green, blue = band.words
        torch.add(red, green, alpha=1 << 8, out=red)
        torch.add(red, blue, alpha=1 << 16, out=red)
        _pack(band.bits[0], packed[3 * start :])


def _levels(bits: np.ndarray, band: "_Band") -> None:
    """Turn the bits of a band's fp16 or float32 numbers into levels, in the low bytes of its words."""
    if bits.itemsize == 2:
        _clamp(bits, band.half_bits, *_HALF)
        band.values.copy_(band.halves)
    else:
        _clamp(bits, band.bits, *_SINGLE)
    torch.add(_EXACT, band.values, alpha=255, out=band.values)


def _clamp(
    bits: np.ndarray, out: np.ndarray, zero: np.integer, one: np.integer, infinity: np.integer
) -> None:
    """Clamp numbers to 0 to 1, NaN to 0, by their bits.

    Bits of numbers from 0 to infinity are in order as integers too, and those of negative numbers are
    negative; only NaN is out of order. So it needs no arithmetic on fp16, which few processors have.
    """
    bits.clip(zero, one, out=out)
    if np.maximum.reduce(bits, axis=None) > infinity:
        np.copyto(out, zero, where=bits > infinity)


def _pack(pixels: np.ndarray, packed: np.ndarray) -> None:
    """Write words of a pixel each, whose fourth byte is nothing, as RGB RGB ….

    A pixel is written as a word of four bytes, and the next one's word covers the fourth. A last pixel
    with nothing behind it is written byte by byte.

    Args:
        pixels: of a band, int32.
        packed: of the frame, from the band's first byte to the end.
    """
    count = min(len(pixels), (len(packed) - 1) // 3)
    if count:
        np.ndarray((count,), np.int32, packed, 0, (3,))[...] = pixels[:count]
    if count < len(pixels):
        packed[3 * count :] = pixels[count:].view(np.uint8)[:3]


class _Band:
    """Memory for the pixels of a band, and views of it, made once because each takes a microsecond.

    Attributes:
        count: of its pixels.
        values: float32 of shape 3, count.
        bits: its bits for numpy, int32.
        words: the same for PyTorch, plane by plane.
        plane: one plane of `values`, and `plane_for_numpy`.
        halves: fp16 of shape 3, count.
        half_bits: its bits for numpy, int16.
    """

    def __init__(self, memory: Tensor, halves: Tensor, count: int) -> None:
        self.count = count
        self.values = memory[: 3 * count].view(3, count)
        words = self.values.view(torch.int32)
        self.bits, self.words = words.numpy(), tuple(words)
        self.plane, self.plane_for_numpy = self.values[0], self.values[0].numpy()
        self.halves = halves[: 3 * count].view(3, count)
        self.half_bits = self.halves.view(torch.int16).numpy()


class _Scratch(threading.local):
    """Each thread's bands, made once: PyTorch allocates them, because it begins where a cache line does."""

    def __init__(self) -> None:
        self.memory, self.halves = torch.zeros(3 * PIXELS), torch.zeros(3 * PIXELS, dtype=torch.float16)
        self.full, self.rest = self.band(PIXELS), self.band(1)

    def band(self, count: int) -> _Band:
        return _Band(self.memory, self.halves, count)


_SCRATCH = _Scratch()


def _bands(pixels: int) -> Iterator[tuple[int, int, _Band]]:
    """Where each band of so many pixels begins and ends, with memory for it."""
    for start in range(0, pixels - PIXELS + 1, PIXELS):
        yield start, start + PIXELS, _SCRATCH.full
    if rest := pixels % PIXELS:
        if _SCRATCH.rest.count != rest:
            _SCRATCH.rest = _SCRATCH.band(rest)
        yield pixels - rest, pixels, _SCRATCH.rest


def _check(frame: np.ndarray, tensor: np.ndarray, *, written: np.ndarray) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise ValueError(f"a frame is uint8 of height, width, 3, not {frame.dtype} of {frame.shape}")
    shape = (1, 3, *frame.shape[:2])
    if tensor.shape != shape or tensor.dtype not in (np.float16, np.float32):
        given = f"{tensor.dtype} of {tensor.shape}"
        raise ValueError(f"the frame's tensor is float16 or float32 of {shape}, not {given}")
    if not (written.flags.c_contiguous and written.flags.writeable):
        raise ValueError("what is written must be C-contiguous and writeable")


def one_thread() -> None:
    """Let this thread convert without helpers: bands are too small to share among processors.

    PyTorch's number of threads belongs to the calling thread, but is also what threads begun later take as
    theirs; a thread of its own sets that back.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    restoring = threading.Thread(target=torch.set_num_threads, args=(before,))
    restoring.start()
    restoring.join()
