"""What is made from one image file: the picture, its reduced copies, and their small versions.

This is what the preparing processes import, so it stays light.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipersr_build.data.images import load_rgb
from pipersr_build.data.packed import digest_of
from pipersr_build.data.resize import downscale
from pipersr_build.errors import InputError
from pipersr_build.scales import ratio


@dataclass(frozen=True)
class Recipe:
    """What a corpus wants of its pictures.

    Args:
        reductions: the factors by which training pictures are reduced to further ones.
        least: the least height and width of such a copy, in HR pixels.
        scale: of the small versions; None: none are made.
    """

    reductions: tuple[float, ...] = ()
    least: int = 1
    scale: float | None = None


@dataclass(frozen=True)
class Packed:
    """Where a picture's pixels already are: a file, the first byte, height and width."""

    file: Path
    offset: int
    height: int
    width: int

    def read(self) -> NDArray[np.uint8]:
        """The pixels, height, width, 3."""
        shape = (self.height, self.width, 3)
        return np.asarray(np.memmap(self.file, np.uint8, "r", self.offset, shape))


@dataclass(frozen=True)
class Job:
    """One picture to make everything of: from its file, or from its pixels where those are packed."""

    name: str
    origin: str
    source: Path | Packed
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Made:
    """A picture that was made: uint8 of shape height, width, 3; `small` says that it is an LR picture."""

    name: str
    origin: str
    small: bool
    rgb: NDArray[np.uint8]
    sha256: str


@dataclass(frozen=True)
class Done:
    """What came of a job: pictures, or why there are none."""

    job: Job
    made: list[Made]
    broken: str = ""


def do(job: Job) -> Done:
    """Make the picture of a job and all that the recipe asks for."""
    try:
        rgb = load_rgb(job.source) if isinstance(job.source, Path) else job.source.read()
    except InputError as error:
        return Done(job, [], f"{error.what} ({error.fix})")
    return Done(job, list(_family(job, rgb)))


def _family(job: Job, rgb: NDArray[np.uint8]) -> Iterator[Made]:
    original = Made(job.name, job.origin, False, rgb, digest_of(rgb))
    pictures = [original]
    for factor in fitting(job.recipe, *rgb.shape[:2]):
        copy = reduced(rgb, factor)
        origin = reduced_origin(original.sha256, factor)
        pictures.append(Made(reduced_name(job.name, factor), origin, False, copy, digest_of(copy)))
    yield from pictures
    scale = job.recipe.scale
    for picture in pictures:
        if scale is not None and has_small(scale, *picture.rgb.shape[:2]):
            lr = downscale(picture.rgb, scale)
            yield Made(picture.name, small_origin(picture.sha256, scale), True, lr, digest_of(lr))


def reduced(rgb: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """A copy reduced by `factor`, by Pillow's Lanczos (3 lobes, widened to the factor).

    Lanczos keeps more detail than bicubic, which is what such copies are for; it is not the reduction
    that the network learns to undo.
    """
    height, width = _reduced_size(factor, *rgb.shape[:2])
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS))


def fitting(recipe: Recipe, height: int, width: int) -> list[float]:
    """The factors that leave a picture at least `recipe.least` pixels high and wide."""
    return [
        factor for factor in recipe.reductions if min(_reduced_size(factor, height, width)) >= recipe.least
    ]


def _reduced_size(factor: float, height: int, width: int) -> tuple[int, int]:
    return round(height * factor), round(width * factor)


def has_small(scale: float, height: int, width: int) -> bool:
    """Whether a picture is large enough to have a small version."""
    return min(height, width) >= ratio(scale)[0]


def reduced_name(name: str, factor: float) -> str:
    """The name of a reduced copy: `name@0.8`."""
    return f"{name}@{factor:g}"


def reduced_origin(sha256: str, factor: float) -> str:
    """What a reduced copy is made from, and how."""
    return f"lanczos {factor:g} of {sha256}"


def small_origin(sha256: str, scale: float) -> str:
    """What a small version is made from, and how."""
    return f"bicubic 1/{scale:g} of {sha256}"
