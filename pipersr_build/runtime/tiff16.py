"""TIFF of 16 bits per sample: written, and read where Pillow reads it wrongly or not at all.

Those are gray with alpha, and colours that are multiplied by alpha ("associated", TIFF 6.0 section 18).
"""

from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from pipersr_build.data.images import RefusedError

_MAGIC = (b"II*\0", b"MM\0*")
_ASSOCIATED = 1  # of the tag ExtraSamples
_BAND = 128  # rows divided by alpha at a time: memory is theirs and not the picture's
_SAVE_AGAIN = "save it with alpha that is not premultiplied, without compression or with Deflate; or as PNG"


def is_associated(image: Image.Image) -> bool:
    """Whether it is a TIFF of 16 bits whose colours are multiplied by alpha.

    Args:
        image: opened, not decoded.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, ())
    extra = image.tag_v2.get(TiffImagePlugin.EXTRASAMPLES, ())
    return tuple(bits) == (16, 16, 16, 16) and tuple(np.atleast_1d(extra)) == (_ASSOCIATED,)


def tags_of_gray_alpha(file: BinaryIO) -> Image.Exif | None:
    """The tags of a TIFF of 16-bit gray and alpha, which Pillow does not open; None of every other file."""
    file.seek(0)
    if file.read(4) not in _MAGIC:
        return None
    file.seek(0)
    tags = Image.Exif()
    tags.load(file.read())
    bits = tags.get(ExifTags.Base.BitsPerSample, ())
    gray = tags.get(ExifTags.Base.PhotometricInterpretation) == 1
    return tags if gray and tuple(np.atleast_1d(bits)) == (16, 16) else None


def read_tiff16(file: BinaryIO) -> np.ndarray:
    """The samples, as they lie in the file, colours not multiplied by alpha.

    Args:
        file: of one picture of gray and alpha, or RGB and alpha.

    Returns:
        uint16 of height, width, 2 or 4.

    Raises:
        RefusedError: there are several pictures, or the compression is one that is not read.
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as opened:
        if len(opened.pages) != 1:
            raise RefusedError("the file holds several pictures", "save the one that you want as a PNG")
        page = opened.pages.first
        try:
            samples = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):  # which has the codecs that are not installed
                raise
            raise RefusedError(f"16-bit samples with alpha, compressed by {_compression(page.compression)}",
                               _SAVE_AGAIN) from error  # fmt: skip
        if samples.dtype != np.uint16 or samples.ndim != 3:
            raise RefusedError("16-bit samples with alpha in an unusual layout", _SAVE_AGAIN)
        planes = np.moveaxis(samples, 0, -1) if page.planarconfig == 2 else samples
        associated = _ASSOCIATED in page.extrasamples
    return divided(planes) if associated else np.ascontiguousarray(planes)


def divided(samples: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by alpha, divided by it and rounded; 0 where alpha is 0.

    Args:
        samples: uint16 of height, width, channels, the last of which is alpha.
    """
    result = np.empty_like(samples, order="C")
    result[..., -1] = samples[..., -1]
    for top in range(0, len(samples), _BAND):
        band = samples[top : top + _BAND].astype(np.uint32)  # 65535² and half of alpha fit
        alpha = np.maximum(band[..., -1:], 1)
        colours = np.minimum((band[..., :-1] * 65535 + alpha // 2) // alpha, 65535)
        result[top : top + _BAND, :, :-1] = np.where(band[..., -1:] > 0, colours, 0)
    return result


def write_tiff16(
    file: BinaryIO,
    samples: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write a picture as TIFF, compressed by Deflate.

    Args:
        file: where to; it can be gone back in.
        samples: uint16 of height, width or height, width, 2 to 4; alpha is not multiplied into the colours.
        icc: a colour profile.
        exif: as Pillow gives it. What TIFF has tags for is written (camera, author, time, description);
            exposure and place are not, since tifffile writes no further directories.
        dpi: dots per inch, across and down.
    """
    import tifffile

    channels = 1 if samples.ndim == 2 else samples.shape[2]
    more: dict[str, Any] = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
    if dpi:
        more |= {"resolution": dpi, "resolutionunit": "inch"}
    if icc:
        more["iccprofile"] = icc
    tifffile.imwrite(
        file, samples, photometric="rgb" if channels > 2 else "minisblack", planarconfig="contig",
        compression="zlib", metadata=None, software=False, extratags=_texts(exif), **more,
    )  # fmt: skip


def _compression(code: int) -> str:
    import tifffile

    return tifffile.COMPRESSION(code).name


def _texts(exif: bytes | None) -> list[tuple[int, str, int, bytes, bool]]:
    """The texts of EXIF as tifffile takes them; Pillow reads them as Latin-1, whatever they are."""
    given = Image.Exif()
    given.load(exif or b"")
    texts = {tag: value for tag, value in given.items() if isinstance(value, str)}
    return [(tag, "s", 0, value.encode("latin-1", "replace") + b"\0", True) for tag, value in texts.items()]
