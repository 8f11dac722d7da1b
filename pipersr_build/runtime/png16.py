"""Write PNG files of 16 bits per sample, which Pillow can only do for gray.

Follows the PNG specification (W3C, third edition): chunks, the `Up` filter, zlib.
"""

import struct
import zlib
from typing import BinaryIO

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
_UP = 2  # the filter: each byte less the one above it
_BAND = 64  # rows at a time
_PER_METRE = 1 / 0.0254  # of dots per inch


def write_png16(
    file: BinaryIO,
    samples: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write a picture as PNG, band by band.

    Args:
        file: where to.
        samples: uint16 of height, width or height, width, 2 to 4.
        icc: a colour profile.
        exif: as Pillow gives it, with or without its leading `Exif` and two zero bytes.
        dpi: dots per inch, across and down.
    """
    height, width = samples.shape[:2]
    planes = samples.reshape(height, width, -1)
    file.write(_SIGNATURE)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[planes.shape[2]], 0, 0, 0)
    _chunk(file, b"IHDR", header)
    if icc:
        _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi:
        across, down = (round(value * _PER_METRE) for value in dpi)
        _chunk(file, b"pHYs", struct.pack(">IIB", across, down, 1))
    if exif:
        _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    _pixels(file, planes)
    _chunk(file, b"IEND", b"")


def _pixels(file: BinaryIO, planes: np.ndarray) -> None:
    packer = zlib.compressobj(6)
    above = np.zeros((1, planes.shape[1] * planes.shape[2] * 2), np.uint8)
    for top in range(0, len(planes), _BAND):
        band = np.ascontiguousarray(planes[top : top + _BAND], ">u2").view(np.uint8)
        rows = band.reshape(len(band), -1)
        filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        filtered[:, 0] = _UP
        filtered[:, 1:] = rows - np.concatenate([above, rows[:-1]])  # modulo 256, as PNG wants it
        above = rows[-1:]
        _data(file, packer.compress(filtered.tobytes()))
    _data(file, packer.flush())


def _data(file: BinaryIO, packed: bytes) -> None:
    if packed:
        _chunk(file, b"IDAT", packed)


def _chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    check = zlib.crc32(content, zlib.crc32(kind))
    file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check))
