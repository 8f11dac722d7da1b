"""The sample pictures: read from beside the evidence, checked, compared, and embedded."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipersr_build.errors import InputError
from pipersr_build.evidence import Sample

_AGAIN = "export again, or put the file back beside the evidence"
# an error of 32 levels of 255 is drawn at full brightness: smaller ones would all look black
_FULL_ERROR = 32
# dark to light through one hue, so that the maps read the same in print and to the colour-blind
_RAMP = ((0, (16, 18, 24)), (96, (122, 46, 40)), (176, (226, 128, 52)), (255, (255, 244, 214)))


@dataclass(frozen=True)
class Pictures:
    """One sample ready for the page: data URIs, and what a reader needs beside them."""

    sample: Sample
    width: int
    height: int
    bicubic: str
    ours: str
    truth: str
    bicubic_error: str
    ours_error: str


def load(sample: Sample, folder: Path) -> Pictures:
    """Read a sample's three pictures from `folder` and draw their error maps.

    Raises:
        InputError: a file is missing, outside `folder`, not a PNG, or of another size than the others.
    """
    names = (sample.bicubic, sample.ours, sample.truth)
    data = [_read(folder, name) for name in names]
    bicubic, ours, truth = (_decode(d, folder / n) for d, n in zip(data, names, strict=True))
    if not bicubic.shape == ours.shape == truth.shape:
        raise InputError(
            f"the three pictures of sample {sample.image} are not of one size",
            where=folder / sample.ours,
            fix="export again",
        )
    uris = [_data_uri(d) for d in data]
    errors = [_error_map(picture, truth) for picture in (bicubic, ours)]
    height, width = truth.shape[:2]
    return Pictures(sample, width, height, *uris, *errors)


def _read(folder: Path, name: str) -> bytes:
    """The bytes of file `name`, which must lie inside `folder` (links followed)."""
    try:
        root, path = folder.resolve(), (folder / name).resolve()
        inside = path.is_relative_to(root)
    except ValueError:  # a null byte in the name
        inside = False
    if not inside:
        raise InputError(
            "a sample names a file outside the evidence's folder",
            where=repr(name),
            fix="name files relative to evidence.json and inside its folder",
        )
    if not path.is_file():
        raise InputError("a sample picture is missing", where=folder / name, fix=_AGAIN)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "a sample picture cannot be read", where=path, fix="check its permissions"
        ) from error


def _decode(data: bytes, path: Path) -> npt.NDArray[np.uint8]:
    """A PNG file as RGB levels: height, width, 3."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError("a sample picture is not a readable PNG", where=path, fix="export again") from error


def _error_map(picture: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> str:
    """The mean absolute difference over the channels, as a picture in the ramp's colours."""
    difference = np.abs(picture.astype(np.int16) - truth).mean(axis=2)
    levels = np.minimum(difference * (255 / _FULL_ERROR), 255).round().astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return _data_uri(file.getvalue())


def _palette() -> bytes:
    stops = [stop for stop, _ in _RAMP]
    channels = [np.interp(range(256), stops, [colour[c] for _, colour in _RAMP]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
