"""Look at an upload before anything decodes it: is it what it should be, and is it too large?"""

import contextlib
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from pipersr_build.runtime.pictures import without_remarks
from pipersr_build.runtime.tiff16 import tags_of_gray_alpha
from pipersr_build.runtime.upscale_picture import enlarged
from pipersr_build.service.refusals import Refusal

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_EBML = b"\x1a\x45\xdf\xa3"  # Matroska, WebM
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # that a MP4 or MOV file begins with
_MPEG_PS = b"\x00\x00\x01\xba"


def check_picture(path: Path, *, scale: float, passes: int, side: int) -> None:
    """Refuse what is no picture and what is too large, from the file's first bytes; nothing is decoded.

    Args:
        path: the upload.
        scale: by which one pass enlarges it.
        passes: that there will be.
        side: pixels that it may be wide or high, before and after.

    Raises:
        Refusal: 413 or 415.
    """
    width, height = _picture_size(path)
    check_size(width, height, scale=scale, passes=passes, side=side, kind="picture")


def check_size(width: int, height: int, *, scale: float, passes: int = 1, side: int, kind: str) -> None:
    """Refuse a size that is above `side` pixels once it is enlarged.

    Raises:
        Refusal: 413, saying both sizes.
    """
    wide, high = (enlarged(length, scale, passes) for length in (width, height))
    if max(wide, high) > side:
        what = f"a {kind} of {width}x{height} would become {wide}x{high}; at most {side}x{side} is allowed"
        raise Refusal(413, what, f"send one of at most {int(side / scale**passes)} pixels either way")


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        with without_remarks(), Image.open(path, formats=PICTURE_FORMATS) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise Refusal(413, "the picture has too many pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        size = _gray_alpha_size(path)
        if size is not None:
            return size
        known = ", ".join(PICTURE_FORMATS)
        raise Refusal(415, "the file is not a picture of a known kind", f"send one of {known}") from error


def _gray_alpha_size(path: Path) -> tuple[int, int] | None:
    """Of a TIFF of 16-bit gray and alpha, which is read although Pillow does not know it."""
    with path.open("rb") as file, without_remarks(), contextlib.suppress(Exception):  # tags may hold anything
        tags = tags_of_gray_alpha(file)
        if tags is not None:
            return int(tags[ExifTags.Base.ImageWidth]), int(tags[ExifTags.Base.ImageLength])
    return None


def check_video(path: Path) -> None:
    """Refuse what does not begin as a video file does.

    Play lists are text that names other files and addresses, which a demuxer would go and open: none of
    them gets as far as a demuxer.

    Raises:
        Refusal: 415.
    """
    with path.open("rb") as file:
        start = file.read(400)
    known = (
        start[4:8] in _MP4_BOXES
        or start.startswith((_EBML, b"OggS", b"FLV", _MPEG_PS))
        or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
        or start[0::188][:2] == b"GG"  # the sync bytes of an MPEG transport stream
    )
    if not known:
        fix = "send MP4, MOV, MKV, WebM, AVI, MPEG, FLV or Ogg"
        raise Refusal(415, "the file is not a video of a known kind", fix)
