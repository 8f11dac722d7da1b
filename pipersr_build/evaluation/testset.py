"""Test sets on disk, and the score of anything that enlarges pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.data.pictures import Pair, Picture, make_pair
from pipersr_build.data.resize import crop_to_multiple, upscale_bicubic
from pipersr_build.errors import InputError
from pipersr_build.evaluation.protocol import Protocol, compare, protocol_named
from pipersr_build.evidence import ImageQuality, Quality

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
Progress = Callable[[int, int, str], None]  # pictures done, pictures in all, the one just done


@dataclass(frozen=True, eq=False)
class TestSet:
    """Named pairs of small and true pictures; `lr` says who made the small ones."""

    __test__ = False  # pytest: this is no test

    name: str
    scale: int
    pictures: list[Pair]
    lr: Literal["shipped", "made"]


def load_test_set(folder: Path, scale: int, name: str | None = None) -> TestSet:
    """Read `folder/HR` with `folder/LRx<scale>`; without the latter the small pictures are made.

    A folder without `HR` and `LRx...` inside is taken for the true pictures themselves. True pictures
    are cropped to a multiple of `scale`. Names are file names (with subfolders) without their ending.

    Raises:
        InputError: a folder or image cannot be read, a picture lacks its partner, two have one name,
            or a true picture is not `scale` times its small one.
    """
    folder = Path(folder)
    truth = _by_stem(_hr_folder(folder))
    small_folder = folder / f"LRx{scale}"
    name = name or folder.resolve().name
    if not small_folder.is_dir():
        made = [make_pair(Picture(stem, load_rgb(path)), scale) for stem, path in truth.items()]
        return TestSet(name, scale, made, "made")
    small = _by_stem(small_folder)
    _check_partners(truth, small, small_folder)
    pictures = [_load_pair(stem, small[stem], truth[stem], scale) for stem in truth]
    return TestSet(name, scale, pictures, "shipped")


def bicubic(scale: int) -> Upscale:
    """MATLAB's bicubic as a method to evaluate: the baseline of every table."""
    return partial(upscale_bicubic, scale=scale)


def evaluate(
    upscale: Upscale,
    pictures: Sequence[Pair],
    protocol: Protocol | str,
    scale: int,
    subject: str,
    dataset: str,
    progress: Progress | None = None,
) -> Quality:
    """Enlarge every small picture and compare it with the truth; means are over pictures.

    Args:
        upscale: takes and returns uint8 RGB of shape height, width, 3; the result is scale times as large.
        pictures: pairs, for example `TestSet.pictures`.
        protocol: one of `protocol.PROTOCOLS` or its name.
        scale: HR pixels per LR pixel.
        subject: what is judged, for the record.
        dataset: the name of the set, for the record.
        progress: called after each picture.

    Raises:
        InputError: there are no pictures, a result is not of the truth's size, or a picture is smaller
            than the protocol needs.
    """
    protocol = protocol_named(protocol) if isinstance(protocol, str) else protocol
    if not pictures:
        raise InputError("the test set has no pictures", where=dataset, fix="choose another test set")
    images: list[ImageQuality] = []
    for pair in pictures:
        images.append(_score(upscale, pair, protocol, scale))
        if progress is not None:
            progress(len(images), len(pictures), pair.name)
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol=protocol.name,
        scale=scale,
        images=images,
        mean_psnr=float(np.mean([image.psnr for image in images])),
        mean_ssim=float(np.mean([image.ssim for image in images])),
    )


def _score(upscale: Upscale, pair: Pair, protocol: Protocol, scale: int) -> ImageQuality:
    try:
        psnr, ssim = compare(upscale(pair.lr), pair.hr, protocol, scale)
    except InputError as error:
        raise InputError(error.what, where=error.where or pair.name, fix=error.fix) from error
    return ImageQuality(image=pair.name, psnr=psnr, ssim=ssim)


def _hr_folder(folder: Path) -> Path:
    if (folder / "HR").is_dir():
        return folder / "HR"
    if folder.is_dir() and any(folder.glob("LRx*")):
        raise InputError(
            "the test set has no HR folder", where=folder, fix="put the true pictures in a folder HR"
        )
    return folder


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_images(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            what = f"two images are called {stem}: {found[stem].name} and {path.name}"
            raise InputError(what, where=folder, fix="remove one of them")
        found[stem] = path
    return found


def _check_partners(truth: dict[str, Path], small: dict[str, Path], folder: Path) -> None:
    for stem, path in (truth | small).items():
        if stem not in truth or stem not in small:
            other = folder if stem in truth else "the HR folder"
            what = f"the image has no partner of the same name in {other}"
            raise InputError(what, where=path, fix="add the partner or remove the image")


def _load_pair(stem: str, small: Path, truth: Path, scale: int) -> Pair:
    lr, hr = load_rgb(small), crop_to_multiple(load_rgb(truth), scale)
    if hr.shape != (lr.shape[0] * scale, lr.shape[1] * scale, 3):
        what = (
            f"the true picture has {hr.shape[1]}x{hr.shape[0]} pixels (cropped to a multiple of {scale}), "
            f"not {scale} times the small one's {lr.shape[1]}x{lr.shape[0]}"
        )
        raise InputError(what, where=truth, fix=f"check {small} or remove both")
    return Pair(stem, lr, np.ascontiguousarray(hr))
