"""Image files in and out: every picture is a uint8 array of shape height, width, 3 in RGB order.

Pillow decodes. What it would guess at (a picture that ends too early, see-through pixels, 16 bits cut
to 8, several pictures in one file) is refused or done exactly. Colour profiles are not applied: the
stored values are the picture.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from pipersr_build import files
from pipersr_build.errors import InputError

EXTENSIONS = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")

_NAMED = 5  # files that one message names

_CONVERT = "open it in an image editor and save it as an 8-bit RGB PNG"
_FLATTEN = "flatten it onto a background and save it without an alpha channel"
_UNKNOWN = "convert it to PNG; if it should be one of these, copy or download the file again"
_RESTORE = "copy or download the file again, or remove it"

# Pillow reads 16-bit colour as its high bytes only; the same samples read in the other byte order give
# the low bytes, and both together the exact values.
_LOW_BYTES = {
    f"{bands};16{order}": f"{bands};16{other}"
    for bands in ("RGB", "RGBX", "RGBA", "CMYK")
    for order, other in (("L", "B"), ("B", "L"), ("N", "B" if sys.byteorder == "little" else "L"))
}
# EXIF orientation (Exif 2.32, tag 0x0112): quarter turns anticlockwise, then a left-right mirror.
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


class RefusedError(Exception):
    """A picture that could be decoded but not used: what is wrong, and what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as uint8 of shape height, width, 3 with the EXIF orientation applied.

    Grayscale is replicated, palettes and CMYK are converted, 16-bit samples become round(value / 257),
    an alpha channel that is opaque everywhere is dropped.

    Raises:
        InputError: there is no such file, it is not a PNG, JPEG, WebP, TIFF or BMP image, it is
            damaged or ends too early, it is too large to be believed, or it has see-through pixels,
            several pictures or samples that have no 8-bit meaning.
    """
    path = Path(path)
    data = _read(path)
    try:
        with _strict_pillow():
            return _decode(data)
    except RefusedError as error:
        raise InputError(error.what, where=path, fix=error.fix) from error
    except UnidentifiedImageError as error:
        raise InputError("not a PNG, JPEG, WebP, TIFF or BMP image", where=path, fix=_UNKNOWN) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise InputError(f"the image has more than {limit} pixels", where=path, fix="crop it") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders meet damaged bytes with errors of every type
        raise InputError(f"the image is damaged: {error}", where=path, fix=_RESTORE) from error


def save_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write a uint8 picture of shape height, width, 3 as PNG, at once or not at all.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    check_rgb(rgb)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, format="PNG")
    files.write_bytes(Path(path), buffer.getvalue())


def list_images(folder: Path, also: Sequence[str] = ()) -> list[Path]:
    """All image files below `folder` (by extension, any case), sorted; hidden files are not looked at.

    Args:
        folder: where to look.
        also: more extensions, without dot.

    Raises:
        InputError: the folder is missing, unreadable or not a folder, holds no image file, or one whose
            name is not UTF-8.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError("no such folder", where=folder, fix="give a folder of images")
    if not folder.is_dir():
        raise InputError("not a folder", where=folder, fix="give the folder that holds the images")
    wanted = (*EXTENSIONS, *also)
    found = sorted(path for path in _walk(folder) if path.suffix.lower().lstrip(".") in wanted)
    if not found:
        raise InputError(
            "the folder holds no images",
            where=folder,
            fix=f"looked for files ending in {', '.join(wanted)}",
        )
    _check_names(found, folder)
    return found


def check_rgb(rgb: NDArray[np.uint8]) -> None:
    """Raise ValueError unless `rgb` is a uint8 array of shape height, width, 3 with some pixels."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"expected uint8 of shape height, width, 3, got {rgb.dtype} of shape {rgb.shape}")


def _check_names(paths: list[Path], folder: Path) -> None:
    """Refuse names that cannot be written into an index or a record, which are UTF-8."""
    bad = [ascii(str(path)) for path in paths if not _is_utf8(str(path))]
    if bad:
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise InputError(
            f"file names that are not UTF-8: {', '.join(bad[:_NAMED])}{more}",
            where=folder,
            fix="rename them",
        )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(folder: Path) -> Iterator[Path]:
    """Visible files below `folder`; linked folders are entered, each real folder once."""
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        raise InputError(
            "the folder cannot be read", where=error.filename, fix="change its permissions"
        ) from error

    for root, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        real = os.path.realpath(root)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if real not in seen else []
        if real not in seen:
            yield from (Path(root, name) for name in names if not name.startswith("."))
        seen.add(real)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise InputError(
            "a folder where an image is needed", where=path, fix="give one image file"
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("no such image", where=path, fix="check the name") from error
    except OSError as error:
        raise InputError(f"the image cannot be read: {error.strerror}", where=path, fix=_RESTORE) from error
    if not data:
        raise InputError("the image file is empty", where=path, fix=_RESTORE)
    return data


@contextmanager
def _strict_pillow() -> Iterator[None]:
    """Pillow with its guards up, whatever the calling program has set."""
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _decode(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_layout(image)
        rawmode = _rawmode(image)
        image.load()
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
        if image.mode.startswith("I;16"):
            rgb = _from_gray16(image)
        elif ";16" in rawmode:
            rgb = _to_rgb(_from_colour16(data, image, rawmode))
        else:
            rgb = _to_rgb(image)
    return _turned(rgb, turn)


def check_layout(image: Image.Image) -> None:
    """Refuse what Pillow would decode to something else than the picture that is meant."""
    # A phone's JPEG (format MPO) keeps depth maps and thumbnails behind the photograph, which is first.
    if getattr(image, "n_frames", 1) != 1 and image.format != "MPO":
        raise RefusedError("the file holds several pictures", "save the one that you want as a PNG")
    if image.mode in ("I", "F"):
        raise RefusedError("32-bit samples have no defined white", _CONVERT)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    bits = max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    white_is_zero = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1) == 0
    planes = image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2
    if bits not in (1, 2, 4, 8, 16) or (bits == 16 and (white_is_zero or planes)):
        raise RefusedError(f"an unusual TIFF layout with {bits} bits per sample", _CONVERT)


def deep_samples(file: BinaryIO, high: Image.Image) -> NDArray[np.uint16] | None:
    """The exact samples of 16-bit colour, of which Pillow reads the high bytes; None of a picture of 8 bits.

    Args:
        file: the picture's, which can be read again.
        high: it, decoded by Pillow.

    Raises:
        RefusedError: the samples lie in a way that cannot be read exactly.
    """
    with Image.open(file, formats=FORMATS) as low:
        rawmode = _rawmode(low)
        if ";16" not in rawmode or low.mode.startswith("I;16"):
            return None
        return _gray_alpha(low) if rawmode == "LA;16B" else _exact(low, high, rawmode)


def _gray_alpha(low: Image.Image) -> NDArray[np.uint16]:
    """Height, width, 2: the four bytes of a pixel are read as four channels, for Pillow drops two of them."""
    assert isinstance(low, ImageFile.ImageFile)
    low._mode = "RGBA"
    low.tile = [tile._replace(args=_with_rawmode(tile.args, "RGBA")) for tile in low.tile]
    low.load()
    return np.asarray(low).view(">u2").astype(np.uint16)


def _rawmode(image: Image.Image) -> str:
    """How the samples lie in the file, in Pillow's words, for example `RGB;16B`; empty if unknown."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    if not tiles or not tiles[0].args:
        return ""
    args = tiles[0].args
    return args if isinstance(args, str) else str(args[0])


def _from_gray16(image: Image.Image) -> NDArray[np.uint8]:
    gray = np.asarray(image).astype(np.uint16)
    _refuse_colour_key(gray[..., None], image.info.get("transparency"))
    return np.repeat(_to_8_bits(gray)[..., None], 3, axis=2)


def _from_colour16(data: bytes, high: Image.Image, rawmode: str) -> Image.Image:
    """The picture with samples rounded, not cut, to 8 bits; `high` holds the high bytes."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as low:
        samples = _exact(low, high, rawmode)
    _refuse_colour_key(samples, high.info.get("transparency"))
    return Image.frombytes(high.mode, high.size, _to_8_bits(samples).tobytes())


def _exact(low: Image.Image, high: Image.Image, rawmode: str) -> NDArray[np.uint16]:
    """Both bytes of every sample: `low` is the same picture as `high`, not decoded yet."""
    if rawmode not in _LOW_BYTES:
        raise RefusedError(f"16-bit samples in an unusual layout ({rawmode})", _CONVERT)
    assert isinstance(low, ImageFile.ImageFile)
    low.tile = [tile._replace(args=_with_rawmode(tile.args, _LOW_BYTES[rawmode])) for tile in low.tile]
    low.load()
    samples: NDArray[np.uint16] = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return samples


def _with_rawmode(args: object, rawmode: str) -> str | tuple[object, ...]:
    return (rawmode, *args[1:]) if isinstance(args, tuple) else rawmode


def _to_8_bits(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Rounded value / 257, so that 65535 becomes 255; no value lies half-way."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _refuse_colour_key(samples: NDArray[np.uint16], key: object) -> None:
    """`key`: the colour that PNG declares see-through, or None."""
    if key is not None and bool((samples == np.asarray(key)).all(axis=-1).any()):
        raise RefusedError("the image has see-through pixels", _FLATTEN)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        if int(rgba[..., 3].min()) < 255:
            raise RefusedError("the image has see-through pixels", _FLATTEN)
        return np.ascontiguousarray(rgba[..., :3])
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _turned(rgb: NDArray[np.uint8], orientation: object) -> NDArray[np.uint8]:
    quarters, mirror = _TURNS.get(orientation, (0, False)) if isinstance(orientation, int) else (0, False)
    turned = np.rot90(rgb, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)
