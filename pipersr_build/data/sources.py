"""The image files that a corpus is made of, before any of them is opened."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipersr_build.data import photos
from pipersr_build.data.archives import Archive
from pipersr_build.data.holdout import Holdout, held_out
from pipersr_build.data.images import list_images
from pipersr_build.errors import InputError

VALIDATION_LIST = "validation.txt"


@dataclass(frozen=True)
class Source:
    """An image file: its name in the corpus (with `/` between the parts) and whether it is held out."""

    name: str
    path: Path
    held: bool


@dataclass(frozen=True)
class Sources:
    """A corpus' image files.

    Args:
        name: the corpus' name in records.
        key: the name of its folder among the packed corpora.
        where: the folder (or what a person would call it), for messages.
        images: in the corpus' order.
        fixed: the images are those of official archives, known by name whether or not they are on the
            disk; otherwise they are what was found in a folder.
    """

    name: str
    key: str
    where: str
    images: list[Source]
    fixed: bool = False


def photos_sources() -> Sources:
    """The photographs inside scikit-image, split as their table says."""
    images = [Source(name, path, split == "holdout") for name, path, split in photos.locate()]
    return Sources("photos", "photos", "the photographs inside scikit-image", images)


def folder_sources(folder: Path, holdout: Holdout) -> Sources:
    """Every image below `folder`, named by its path relative to it; for `holdout` see `held_out`.

    Raises:
        InputError: the folder cannot be read, a held-out name is unknown, or nothing would be left to
            train on or to hold out.
    """
    folder = Path(folder)
    paths = {path.relative_to(folder).as_posix(): path for path in list_images(folder)}
    held = held_out(holdout, list(paths), folder)
    if len(held) == len(paths):
        what = f"all {len(paths)} pictures are held out, nothing is left to train on"
        raise InputError(what, where=folder, fix="hold out fewer or add pictures")
    images = [Source(name, path, name in held) for name, path in paths.items()]
    return Sources(folder.resolve().name, _key(folder), str(folder), images)


def reference_sources(folder: Path, holdout: Holdout | None = None) -> Sources:
    """A folder of sets; without `holdout`, `validation.txt` beside the folder lists what is held out."""
    folder = Path(folder)
    beside = folder.resolve().parent / VALIDATION_LIST
    return folder_sources(folder, beside if holdout is None else holdout)


def archive_sources(
    corpus: str, archives: Sequence[Archive], folder: Path, holdout: Holdout | None = None
) -> Sources:
    """The images of official archives, named `<the archive's folder>/<file>`, below `folder`.

    Args:
        corpus: the corpus' name.
        archives: what it is made of.
        folder: holds each archive's folder itself, or inside one more (`DIV2K/DIV2K_train_HR`).
        holdout: which of the validation pictures are held out, all by default; the others are not used.
    """
    train, kept = (
        {f"{archive.folder}/{name}": path for archive in archives if archive.use == use
         for name, path in _located(archive, folder).items()}
        for use in ("train", "holdout")
    )  # fmt: skip
    held = list(kept) if holdout is None else sorted(held_out(holdout, list(kept), folder))
    images = [Source(name, path, False) for name, path in train.items()]
    images += [Source(name, kept[name], True) for name in held]
    return Sources(corpus, corpus, str(folder), images, fixed=True)


def home_of(archive: Archive, folder: Path) -> Path:
    """Where an archive's images are below `folder`, or would be."""
    if folder.name == archive.folder:
        return folder
    inside = [folder / archive.folder, *sorted(folder.glob(f"*/{archive.folder}"))]
    return next((home for home in inside if home.is_dir()), inside[0])


def _located(archive: Archive, folder: Path) -> dict[str, Path]:
    home = home_of(archive, folder)
    return {name: home / name for name in archive.images}


def _key(folder: Path) -> str:
    """A folder's name, made safe, with a digest of its full path."""
    whole = folder.resolve()
    safe = re.sub(r"[^\w.-]+", "_", whole.name).strip("._-") or "folder"
    return f"{safe[:40]}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"
