"""The photographs that are already on the disk: those inside scikit-image's installed package.

They are enough to try every stage without a download, not to train a network that anybody should use.
Left out of scikit-image's set: drawings, scans of text and microscope pictures of single cells; the
moon, the retina and the moving clock, so smooth that bicubic is within 43 dB of them; the Hubble field,
a million nearly black pixels; and the right half of the stereo pair, which shows what the left one does.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.images import load_rgb
from pipersr_build.errors import InputError, MachineError

Split = Literal["train", "holdout"]


@dataclass(frozen=True)
class Source:
    """Where one photograph comes from and whether the network may learn from it."""

    name: str
    file: str
    split: Split
    gray: bool
    licence: str


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph, uint8 of shape height, width, 3; gray ones have three equal channels."""

    name: str
    split: Split
    rgb: NDArray[np.uint8]


# The licences are those that scikit-image states for each picture in the documentation of skimage.data.
PHOTOS = (
    Source("astronaut", "astronaut.png", "train", False, "public domain: NASA Great Images"),
    Source(
        "motorcycle",
        "motorcycle_left.png",
        "train",
        False,
        "Middlebury 2014 stereo benchmark, no licence stated; cite Scharstein et al., GCPR 2014",
    ),
    Source(
        "ihc", "ihc.png", "train", False, "no known restrictions: Center for Microscopy and Molecular Imaging"
    ),
    Source("camera", "camera.png", "train", True, "CC0: Lav Varshney"),
    Source("brick", "brick.png", "train", True, "CC0: CC0Textures, Bricks25"),
    Source("grass", "grass.png", "train", True, "CC0: linolafett on DeviantArt, Grass 01"),
    Source("gravel", "gravel.png", "train", True, "CC0: CC0Textures, Gravel04"),
    Source("coins", "coins.png", "train", True, "no known restrictions: Brooklyn Museum Collection"),
    Source("chelsea", "chelsea.png", "holdout", False, "CC0: Stefan van der Walt"),
    Source("coffee", "coffee.png", "holdout", False, "CC0: Rachel Michetti, Pikolo Espresso Bar"),
    Source("rocket", "rocket.jpg", "holdout", False, "public domain: SpaceX Photos"),
)


def load_photos() -> list[Photo]:
    """The photographs of `PHOTOS`, in that order.

    Raises:
        MachineError: scikit-image is not installed, or not as files in a folder.
        InputError: its installation lacks one of them.
    """
    return [Photo(name, split, load_rgb(path)) for name, path, split in locate()]


def locate() -> list[tuple[str, Path, Split]]:
    """Name, file and split of each photograph of `PHOTOS`, in that order; raises as `load_photos`."""
    folder = _folder()
    return [(source.name, _existing(folder / source.file), source.split) for source in PHOTOS]


def _folder() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise MachineError("scikit-image is not installed", fix="pip install scikit-image")
    return Path(spec.submodule_search_locations[0]) / "data"


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise InputError(
            "scikit-image's installation lacks a photograph",
            where=file,
            fix="reinstall it: pip install --force-reinstall scikit-image",
        )
    return file
