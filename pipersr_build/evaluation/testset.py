"""Test sets on disk, and the score of anything that enlarges pictures."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from pipersr_build.evaluation.protocol import Protocol, compare, least_size, protocol_named
from pipersr_build.evidence import ImageQuality, Quality
from pipersr_build.scales import ratio, to_hr

Upscale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
Progress = Callable[[int, int, str], None]  # pictures done, pictures in all, the one just done


@dataclass(frozen=True, eq=False)
class TestSet:
    """Named pairs of small and true pictures; `lr` says who made the small ones."""

    __test__ = False  # pytest: this is no test

    name: str
    scale: float
    pictures: list[Pair]
    lr: Literal["shipped", "made"]


def find_test_sets(folder: Path) -> list[Path]:
    """The test sets that `folder` means: those inside it that hold `HR`, or else itself.

    A folder with `HR` or `LRx...` of its own is one test set.
    """
    if (folder / "HR").is_dir() or any(folder.glob("LRx*")):
        return [folder]
    return sorted(inside.parent for inside in folder.glob("*/HR") if inside.is_dir()) or [folder]


def load_test_set(
    folder: Path, scale: float, name: str | None = None, progress: Progress | None = None
) -> TestSet:
    """Read `folder/HR` with `folder/LRx<scale>`; without the latter the small pictures are made.

    A folder without `HR` and `LRx...` inside is taken for the true pictures themselves. The test set
    is called as the folder unless a name is given. For the rest see `load_folders`.
    """
    folder = Path(folder)
    small = folder / f"LRx{scale:g}"
    name = name or folder.resolve().name
    return load_folders(_hr_folder(folder), small if small.is_dir() else None, scale, name, progress)


def load_folders(
    hr: Path, lr: Path | None, scale: float, name: str | None = None, progress: Progress | None = None
) -> TestSet:
    """Read true pictures and their small ones; with `lr` None the small ones are made.

    True pictures are cropped to a multiple of `scale`. Names are file names (with subfolders) without
    their ending; a small picture may be called `NAMEx<scale>` too, as in DIV2K. Without `name`, the
    set is called as the true pictures' folder, or the one around it where that is `HR`.

    Raises:
        InputError: a folder or image cannot be read, a picture lacks its partner, two have one name,
            a true picture is not `scale` times its small one, or smaller than the protocols need. The
            picture is named by its path, as it was given.
    """
    truth = _by_stem(hr)
    small = {} if lr is None else _partners(truth, _by_stem(lr), lr, scale)
    pictures: list[Pair] = []
    for stem, path in truth.items():
        pictures.append(_load_pair(stem, small.get(stem), path, scale))
        if progress is not None:
            progress(len(pictures), len(truth), stem)
    return TestSet(name or _name_of(hr), scale, pictures, "made" if lr is None else "shipped")


def bicubic(scale: float) -> Upscale:
    """MATLAB's bicubic as a method to evaluate: the baseline of every table."""
    return partial(upscale_bicubic, scale=scale)


def evaluate(
    upscale: Upscale,
    pictures: Sequence[Pair],
    protocol: Protocol | str,
    scale: float,
    subject: str,
    dataset: str,
    progress: Progress | None = None,
) -> Quality:
    """`evaluate_under` one protocol."""
    return evaluate_under(upscale, pictures, [protocol], scale, subject, dataset, progress)[0]


def evaluate_under(
    upscale: Upscale,
    pictures: Sequence[Pair],
    protocols: Sequence[Protocol | str],
    scale: float,
    subject: str,
    dataset: str,
    progress: Progress | None = None,
) -> list[Quality]:
    """Enlarge every small picture once and compare it with the truth under each protocol.

    Args:
        upscale: takes and returns uint8 RGB of shape height, width, 3; the result is scale times as large.
        pictures: pairs, for example `TestSet.pictures`.
        protocols: some of `protocol.PROTOCOLS`, or their names.
        scale: HR pixels per LR pixel.
        subject: what is judged, for the record.
        dataset: the name of the set, for the record.
        progress: called after each picture.

    Returns:
        A record for each protocol in their order; means are over pictures.

    Raises:
        InputError: there are no pictures, a result is not of the truth's size, or a picture is smaller
            than the protocol needs.
    """
    chosen = [protocol_named(p) if isinstance(p, str) else p for p in protocols]
    if not pictures:
        raise InputError("the test set has no pictures", where=dataset, fix="choose another test set")
    scores: list[list[ImageQuality]] = []  # per picture, per protocol
    for pair in pictures:
        scores.append(_scores(upscale, pair, chosen, scale))
        if progress is not None:
            progress(len(scores), len(pictures), pair.name)
    columns = zip(chosen, zip(*scores, strict=True), strict=True)
    return [_quality(subject, dataset, protocol, scale, images) for protocol, images in columns]


def _quality(
    subject: str, dataset: str, protocol: Protocol, scale: float, images: Sequence[ImageQuality]
) -> Quality:
    return Quality(
        subject=subject,
        dataset=dataset,
        protocol=protocol.name,
        scale=scale,
        images=list(images),
        mean_psnr=float(np.mean([image.psnr for image in images])),
        mean_ssim=float(np.mean([image.ssim for image in images])),
    )


def _scores(upscale: Upscale, pair: Pair, protocols: Sequence[Protocol], scale: float) -> list[ImageQuality]:
    with _where(pair.name):
        sr = upscale(pair.lr)
        found = [compare(sr, pair.hr, protocol, scale) for protocol in protocols]
    return [ImageQuality(image=pair.name, psnr=psnr, ssim=ssim) for psnr, ssim in found]


@contextmanager
def _where(place: object) -> Iterator[None]:
    """Name `place` in errors that name none."""
    try:
        yield
    except InputError as error:
        raise InputError(error.what, where=error.where or place, fix=error.fix) from error


def _name_of(hr: Path) -> str:
    folder = hr.resolve()
    return folder.parent.name if folder.name == "HR" else folder.name


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


def _partners(truth: dict[str, Path], small: dict[str, Path], lr: Path, scale: float) -> dict[str, Path]:
    """The small pictures by their true pictures' names; every picture must have its partner."""
    found: dict[str, Path] = {}
    for stem, path in small.items():
        short = stem.removesuffix(f"x{scale:g}")
        name = short if stem not in truth and short in truth else stem
        if name not in truth:
            raise _alone(path, "the HR folder")
        if name in found:
            what = f"two small images are for {name}: {found[name].name} and {path.name}"
            raise InputError(what, where=lr, fix="remove one of them")
        found[name] = path
    for stem, path in truth.items():
        if stem not in found:
            raise _alone(path, lr)
    return found


def _alone(path: Path, other: object) -> InputError:
    what = f"the image has no partner of the same name in {other}"
    return InputError(what, where=path, fix="add the partner or remove the image")


def _load_pair(stem: str, small: Path | None, truth: Path, scale: float) -> Pair:
    with _where(truth):
        hr = np.ascontiguousarray(crop_to_multiple(load_rgb(truth), scale))
        pair = make_pair(Picture(stem, hr), scale) if small is None else Pair(stem, load_rgb(small), hr)
        if small is not None and hr.shape != (*(to_hr(length, scale) for length in pair.lr.shape[:2]), 3):
            what = (
                f"the true picture has {_size(hr)} pixels (cropped to a multiple of {ratio(scale)[0]}), "
                f"not {scale:g} times the small one's {_size(pair.lr)}"
            )
            raise InputError(what, fix=f"check {small} or remove both; or choose a subject of its scale")
        least = least_size(scale)
        if min(hr.shape[:2]) < least:
            what = f"the picture has {_size(hr)} pixels, the protocols need {least}x{least} at {scale:g}x"
            raise InputError(what, fix="remove it or use a larger picture")
    return pair


def _size(rgb: NDArray[np.uint8]) -> str:
    return f"{rgb.shape[1]}x{rgb.shape[0]}"
