"""Frames between 8-bit RGB, as decoders and encoders hold them, and the tensors of a network.

Both directions write into an array that the caller keeps and work in bands of pixels that fit the processor's
cache, so that no memory of a frame's size is allocated. Every step releases the interpreter's lock, so other
threads go on meanwhile.

The samples of a tensor are 0 to 1. Coming out they are clamped, and rounded to the nearest of 256 levels, as
the MIL interpreter rounds images: halves to the even one (of fp16 only 0.5 is a half: it becomes 128), NaN
to 0.
"""

import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

PIXELS = 92_160  # of a band: 72 rows of 1280; its scratch of 10 bytes a pixel stays in an L2 cache of 2 MB
# The bits of 0, 1 and infinity; of their type, because a clip with Python's integers takes a tenth longer
_HALF = np.array([0, 1, np.inf], np.float16).view(np.int16)
_SINGLE = np.array([0, 1, np.inf], np.float32).view(np.int32)
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
    np.divide(samples, np.float32(255), out=band.plane.numpy_values)
    torch.from_numpy(plane).copy_(band.plane.values)  # many times as fast as numpy's fp16


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
        red, green, blue = bits[:, start:stop]
        _levels(red, band.words, band)
        for shift, plane in (8, green), (16, blue):
            _levels(plane, band.plane, band)
            torch.add(band.words.bits, band.plane.bits, alpha=1 << shift, out=band.words.bits)
        _pack(band.words.numpy_bits, packed[3 * start :])


def _levels(bits: np.ndarray, out: "_Plane", band: "_Band") -> None:
    """Turn the bits of fp16 or float32 numbers into levels, in the low bytes of int32."""
    if bits.dtype == np.int16:
        _clamp(bits, band.half_bits, *_HALF)
        out.values.copy_(band.halves)
    else:
        _clamp(bits, out.numpy_bits, *_SINGLE)
    torch.add(_EXACT, out.values, alpha=255, out=out.values)


def _clamp(
    bits: np.ndarray, out: np.ndarray, zero: np.integer, one: np.integer, infinity: np.integer
) -> None:
    """Clamp numbers to 0 to 1, NaN to 0, by their bits.

    Bits of numbers from 0 to infinity are in order as integers too, and those of negative numbers are
    negative; only NaN is out of order. So it needs no arithmetic on fp16, which few processors have.
    """
    bits.clip(zero, one, out=out)
    if np.maximum.reduce(bits) > infinity:
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


class _Plane:
    """Memory for a number of a pixel: float32, and its bits for PyTorch and numpy."""

    def __init__(self, memory: Tensor) -> None:
        self.values, self.bits = memory, memory.view(torch.int32)
        self.numpy_values, self.numpy_bits = self.values.numpy(), self.bits.numpy()


class _Band:
    """Memory for the pixels of a band."""

    def __init__(self, memory: Tensor, halves: Tensor, count: int) -> None:
        self.count = count
        self.words, self.plane = _Plane(memory[0, :count]), _Plane(memory[1, :count])
        self.halves, self.half_bits = halves[:count], halves[:count].view(torch.int16).numpy()


class _Scratch(threading.local):
    """Each thread's bands, made once: PyTorch allocates them, because it begins where a cache line does."""

    def __init__(self) -> None:
        self.memory, self.halves = torch.zeros(2, PIXELS), torch.zeros(PIXELS, dtype=torch.float16)
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
