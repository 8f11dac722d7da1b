"""Picture files in and out with all that belongs to them: alpha, 16 bits, profile, EXIF, resolution."""

import contextlib
import io
import math
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from pipersr_build import files
from pipersr_build.data.images import FORMATS, RefusedError, check_layout, deep_samples
from pipersr_build.errors import InputError, TooLargeError
from pipersr_build.runtime.modes import from_image, has_own_profile, with_key
from pipersr_build.runtime.png16 import write_png16
from pipersr_build.runtime.samples import to_8_bits
from pipersr_build.runtime.tiff16 import is_associated, read_tiff16, tags_of_gray_alpha, write_tiff16

LARGEST = 8192  # pixels that a picture may be wide or high
STREAM_BYTES = 1 << 30  # read of a stream that cannot be read twice

SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
    ".bmp": "BMP",
}  # fmt: skip
_ALPHA = ("PNG", "WEBP", "TIFF")
_DEEP = ("PNG", "TIFF")
_TITLES = {"WEBP": "WebP"}
_MOST = {"JPEG": 65535, "WEBP": 16383}  # pixels an edge that the format can hold

_RESTORE = "copy or download the file again"
_WARNINGS = threading.Lock()  # what Python does to silence a warning is not safe among threads

_INCH = 2  # of the tag ResolutionUnit
# The tags that say something about the photograph; those about the file's layout are the new file's own.
_TAGS = (ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software,
         ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright)  # fmt: skip
_SIZES = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, ExifTags.Base.MakerNote,
          ExifTags.Base.ExifInteroperabilityOffset)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A picture, upright, and what belongs to it.

    Attributes:
        samples: uint8 or uint16 of height, width (gray) or height, width, 2 (gray and alpha), 3 or 4.
        icc: its colour profile, which is not applied: the stored values are the picture.
        exif: what its EXIF says about the photograph, without orientation and sizes.
        dpi: dots per inch, across and down.
        notes: what a user should know about how it was read or made.
    """

    samples: np.ndarray
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def alpha(self) -> bool:
        """Whether it has an alpha channel."""
        return self.samples.ndim == 3 and self.samples.shape[2] in (2, 4)

    def noted(self, *notes: str) -> "Picture":
        """It with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def read_picture(source: Path | BinaryIO, *, largest: int = LARGEST) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF or BMP picture.

    Args:
        source: a file, or a stream of one; of a stream that cannot be read again at most 1 GiB.
        largest: pixels that it may be wide or high; looked at before anything is decoded.

    Raises:
        InputError: there is no such file, it is no such picture, it is damaged or ends too early, too
            large, animated or of several pages, or its samples have no defined white.
    """
    if not isinstance(source, Path):
        return _read(_again(source), "the picture", largest)
    try:
        with source.open("rb") as file:
            return _read(file, source, largest)
    except IsADirectoryError as error:
        raise InputError("a folder where a picture is needed", where=source) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("no such picture", where=source, fix="check the name") from error
    except PermissionError as error:
        raise InputError("the picture may not be read", where=source, fix="change its permissions") from error


def format_of(target: Path) -> str:
    """The format that the file's name asks for.

    Raises:
        InputError: its ending is of none of the formats that are written.
    """
    try:
        return SUFFIXES[target.suffix.lower()]
    except KeyError:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{target.name!r} names no picture format", fix=f"end it in {known}") from None


def check_format(file_format: str, picture: Picture, size: tuple[int, int], where: object = None) -> None:
    """Check before the work that a picture of `size` (height, width) with these channels can be written.

    Raises:
        InputError: the format has no alpha channel, or is too small for it.
    """
    if picture.alpha and file_format not in _ALPHA:
        fix = "write PNG, WebP or TIFF, or flatten the picture onto a background first"
        raise InputError(f"{file_format} has no alpha channel, and the picture has one", where=where, fix=fix)
    most = _MOST.get(file_format)
    if most is not None and max(size) > most:
        what = f"{size[1]}x{size[0]} is more than {file_format} can hold ({most} pixels an edge)"
        raise InputError(what, where=where, fix="write PNG or TIFF")


def losses(file_format: str, picture: Picture) -> tuple[str, ...]:
    """What a user should know that the format does not keep of the picture's samples."""
    if picture.samples.dtype == np.uint8 or file_format in _DEEP:
        return ()
    return (f"16-bit samples were rounded to the 8 bits that {_TITLES.get(file_format, file_format)} holds",)


def write_picture(
    target: Path | BinaryIO,
    picture: Picture,
    *,
    file_format: str | None = None,
    quality: int = 95,
) -> None:
    """Write a picture; a file at once or not at all.

    PNG and TIFF hold 16 bits, the others get them rounded to 8. PNG, TIFF and WebP are lossless.

    Args:
        target: a file, or an open stream.
        picture: what to write.
        file_format: `PNG`, `JPEG`, `WEBP`, `TIFF` or `BMP`; None: as the file's name says, PNG for a stream.
        quality: of JPEG, 1 to 100.

    Raises:
        InputError: the format cannot hold the picture, the folder cannot be written to, or the disk is full.
    """
    if not isinstance(target, Path):
        check_format(file_format or "PNG", picture, picture.size)
        encoded = io.BytesIO()  # TIFF and WebP go back in their file, which a pipe cannot
        _encode(encoded, picture, file_format or "PNG", quality)
        _write_all(target, encoded.getbuffer())
        return
    chosen = file_format or format_of(target)
    check_format(chosen, picture, picture.size, target)
    with files.staging(target.parent) as stage, files.write_errors(target):
        beside = stage / target.name
        with beside.open("wb") as file:
            _encode(file, picture, chosen, quality)
        files.replace(beside, target)


def _write_all(stream: BinaryIO, data: memoryview) -> None:
    """Write all: a stream without a buffer (`python -u`) takes what there is room for, and says how much."""
    while data:
        data = data[stream.write(data) :]


def _again(stream: BinaryIO) -> BinaryIO:
    """A stream that can be read from its beginning, more than once."""
    if stream.seekable():
        return stream
    data = stream.read(STREAM_BYTES + 1)
    if len(data) > STREAM_BYTES:
        raise InputError("the picture has more than 1 GiB", fix="give it as a file")
    return io.BytesIO(data)


def _read(file: BinaryIO, where: object, largest: int) -> Picture:
    try:
        with without_remarks():
            return _decode(file, where, largest)
    except RefusedError as error:
        raise InputError(error.what, where=where, fix=error.fix) from error
    except UnidentifiedImageError as error:
        if _is_empty(file):
            raise InputError("the picture is empty: it has no bytes", where=where, fix=_RESTORE) from error
        fix = "convert it to PNG; if it should be one of these, copy or download it again"
        raise InputError("not a PNG, JPEG, WebP, TIFF or BMP image", where=where, fix=fix) from error
    except Image.DecompressionBombError as error:
        raise _too_large(where, largest) from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # decoders meet damaged bytes with errors of every type
        raise InputError(f"the image is damaged: {error}", where=where, fix=_RESTORE) from error


def _is_empty(file: BinaryIO) -> bool:
    file.seek(0)
    return not file.read(1)


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Without Pillow's remarks on metadata, and on sizes that are checked here."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decode(file: BinaryIO, where: object, largest: int) -> Picture:
    try:
        opened = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        tags = tags_of_gray_alpha(file)
        if tags is None:
            raise
        return _gray_alpha(file, tags, where, largest)
    with opened as image:
        if max(image.size) > largest:
            raise _too_large(where, largest, image.size)
        check_layout(image)
        tags = image.getexif()
        turn = tags.get(ExifTags.Base.Orientation, 1)  # which Pillow forgets when it has turned a TIFF
        dpi, exif = _dpi(_resolution(image), turn), _exif(tags)
        if is_associated(image):
            return Picture(_upright(read_tiff16(file), turn), image.info.get("icc_profile"), exif, dpi)
        image.load()
        deep = deep_samples(file, image)
        icc = image.info.get("icc_profile") if has_own_profile(image) else None
        if deep is None:
            return Picture(from_image(image), icc, exif, dpi)
        if image.mode == "CMYK":  # profiles of 16-bit CMYK are not applied; its high bytes are the picture
            return Picture(from_image(image), icc, exif, dpi, ("16-bit CMYK was read with 8 bits",))
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)  # what is left to be done
        return Picture(_upright(with_key(deep, image.info.get("transparency")), turn), icc, exif, dpi)


def _gray_alpha(file: BinaryIO, tags: Image.Exif, where: object, largest: int) -> Picture:
    """A TIFF of 16-bit gray and alpha, by its tags."""
    size = int(tags[ExifTags.Base.ImageWidth]), int(tags[ExifTags.Base.ImageLength])
    if max(size) > largest:
        raise _too_large(where, largest, size)
    turn, unit = tags.get(ExifTags.Base.Orientation, 1), tags.get(ExifTags.Base.ResolutionUnit, _INCH)
    across, down = tags.get(ExifTags.Base.XResolution), tags.get(ExifTags.Base.YResolution)
    dpi = _dpi((across, down), turn) if unit == _INCH else None
    icc = tags.get(ExifTags.Base.InterColorProfile)
    return Picture(_upright(read_tiff16(file), turn), icc, _exif(tags), dpi)


def _too_large(where: object, largest: int, size: tuple[int, int] | None = None) -> InputError:
    measured = f"{size[0]}x{size[1]}, which is " if size else ""
    what = f"the picture is {measured}larger than {largest} pixels an edge"
    return TooLargeError(what, where=where, fix="crop it or make it smaller first")


# EXIF orientation (Exif 2.32, tag 0x0112): quarter turns anticlockwise, then a left-right mirror.
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    quarters, mirror = _TURNS.get(orientation, (0, False))
    turned = np.rot90(samples, quarters)
    return turned[:, ::-1] if mirror else turned


def _resolution(image: Image.Image) -> Any:
    """Dots per inch as Pillow has them, but not the 1 that it gives a TIFF that says none."""
    says = image.format != "TIFF" or ExifTags.Base.XResolution in image.getexif()
    return image.info.get("dpi") if says else None


def _dpi(given: Any, orientation: int) -> tuple[float, float] | None:
    """The resolution, where it can be believed; turned with the picture."""
    try:
        across, down = (float(value) for value in given)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not all(math.isfinite(value) and 1 <= value <= 65535 for value in (across, down)):
        return None
    return (down, across) if orientation in (5, 6, 7, 8) else (across, down)


def _exif(given: Image.Exif) -> bytes | None:
    """What EXIF says about the photograph; None where it says nothing or cannot be read."""
    kept = Image.Exif()
    with contextlib.suppress(Exception):  # EXIF is written by everyone, and read as far as it can be
        kept.update({tag: given[tag] for tag in _TAGS if tag in given})
        for folder in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            found = {tag: value for tag, value in given.get_ifd(folder).items() if tag not in _SIZES}
            if found:
                kept.get_ifd(folder).update(found)
                kept[folder] = found
        return kept.tobytes() if len(kept) else None
    return None


def _encode(file: BinaryIO, picture: Picture, file_format: str, quality: int) -> None:
    if picture.samples.dtype == np.uint16 and file_format in _DEEP:
        _encode_deep(file, picture, file_format)
        return
    image = Image.fromarray(np.ascontiguousarray(to_8_bits(picture.samples)))
    given = {"icc_profile": picture.icc, "exif": picture.exif, "dpi": picture.dpi}
    image.save(
        file, format=file_format, **{k: v for k, v in given.items() if v}, **_options(file_format, quality)
    )


def _options(file_format: str, quality: int) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0 if quality >= 90 else 2, "optimize": True},
        "WEBP": {
            "lossless": True,
            "quality": 60,
            "exact": True,
        },  # quality: how long it looks for a small file
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }
    return options.get(file_format, {})


def _encode_deep(file: BinaryIO, picture: Picture, file_format: str) -> None:
    write = write_png16 if file_format == "PNG" else write_tiff16
    write(file, picture.samples, icc=picture.icc, exif=picture.exif, dpi=picture.dpi)
