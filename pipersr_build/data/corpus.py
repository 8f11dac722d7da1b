"""Which pictures a network learns from and which are held out to judge it."""

import difflib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.data.photos import load_photos
from pipersr_build.data.pictures import Picture
from pipersr_build.errors import InputError

Progress = Callable[[int, int, str], None]  # pictures done, pictures in all, the one just done

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Corpus:
    """Pictures to train on and pictures held out, none of them in both.

    `fingerprint` is the SHA-256 of the names, sizes and pixels of both lists in their order.
    """

    name: str
    train: list[Picture]
    holdout: list[Picture]
    fingerprint: str


def photos_corpus(*, minimum: int = 1) -> Corpus:
    """The photographs inside scikit-image (`data.photos`), split as their table says.

    Raises:
        InputError: one is smaller than `minimum` pixels in height or width, or is not installed.
    """
    photos = load_photos()
    train = [Picture(photo.name, photo.rgb) for photo in photos if photo.split == "train"]
    holdout = [Picture(photo.name, photo.rgb) for photo in photos if photo.split == "holdout"]
    return _corpus("photos", train, holdout, minimum, "the photographs inside scikit-image")


def folder_corpus(
    folder: Path,
    holdout: int | str | Path | Sequence[str],
    *,
    minimum: int = 1,
    progress: Progress | None = None,
) -> Corpus:
    """Every image below `folder`, named by its path relative to `folder`, with `/` between the parts.

    Args:
        folder: a tree of images.
        holdout: a number of pictures, taken evenly from the sorted list; or their names; or a text
            file of names, one on a line, relative to `folder` or to the file's own folder (empty
            lines and lines that begin with # are skipped).
        minimum: the least height and width that a picture may have, in pixels.
        progress: called after each picture.

    Raises:
        InputError: the folder or an image cannot be read, a name is unknown, nothing would be left to
            train on or to hold out, a picture is too small, or a held-out picture is also trained on.
    """
    folder = Path(folder)
    paths = {path.relative_to(folder).as_posix(): path for path in list_images(folder)}
    held = _held_out(holdout, list(paths), folder)
    pictures: list[Picture] = []
    for name, path in paths.items():
        pictures.append(Picture(name, load_rgb(path)))
        if progress is not None:
            progress(len(pictures), len(paths), name)
    train = [picture for picture in pictures if picture.name not in held]
    kept = [picture for picture in pictures if picture.name in held]
    return _corpus(folder.resolve().name, train, kept, minimum, folder)


def fingerprint(train: Sequence[Picture], holdout: Sequence[Picture]) -> str:
    """SHA-256 over both lists: names, sizes and pixels in order."""
    digest = hashlib.sha256()
    for split, pictures in (("train", train), ("holdout", holdout)):
        for picture in pictures:
            digest.update(f"{split}\0{picture.name}\0{picture.size}\0".encode())
            digest.update(picture.rgb.tobytes())
    return digest.hexdigest()


def _corpus(name: str, train: list[Picture], holdout: list[Picture], minimum: int, where: object) -> Corpus:
    _check_sizes([*train, *holdout], minimum, where)
    _check_apart(train, holdout, where)
    return Corpus(name, train, holdout, fingerprint(train, holdout))


def _held_out(holdout: int | str | Path | Sequence[str], names: list[str], folder: Path) -> set[str]:
    if isinstance(holdout, int):
        held = _evenly(names, holdout)
    elif isinstance(holdout, str | Path):
        held = _known(_read_names(Path(holdout), names, folder), names, holdout)
    else:
        held = _known(holdout, names, folder)
    if not held:
        raise InputError("no picture is held out", where=folder, fix="hold out one picture at least")
    if len(held) == len(names):
        what = f"all {len(names)} pictures are held out, nothing is left to train on"
        raise InputError(what, where=folder, fix="hold out fewer or add pictures")
    return held


def _evenly(names: list[str], count: int) -> set[str]:
    """`count` names at equal distances in the sorted list, all of them if there are not more."""
    count = max(0, min(count, len(names)))
    return {names[index * len(names) // count] for index in range(count)}


def _read_names(file: Path, names: list[str], folder: Path) -> list[str]:
    """The names in a list file, each as the corpus knows it where it does."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        fix = "give a text file with one name on a line"
        raise InputError("the list of held-out pictures cannot be read", where=file, fix=fix) from error
    here, top = file.resolve().parent, folder.resolve()
    wanted = []
    for line in (line for line in lines if line and not line.startswith("#")):
        beside = here / line
        known = line in names or not beside.is_relative_to(top)
        wanted.append(line if known else beside.relative_to(top).as_posix())
    return wanted


def _known(wanted: Iterable[str], names: list[str], where: object) -> set[str]:
    held = set(wanted)
    for name in sorted(held - set(names)):
        close = difflib.get_close_matches(name, names, n=1)
        fix = f"did you mean {close[0]}?" if close else f"names look like this: {names[0]}"
        raise InputError(f"no picture is called {name}, so it cannot be held out", where=where, fix=fix)
    return held


def _check_sizes(pictures: list[Picture], minimum: int, where: object) -> None:
    small = [picture for picture in pictures if min(picture.rgb.shape[:2]) < minimum]
    if small:
        shown = ", ".join(f"{picture.name} ({picture.size})" for picture in small[:_SHOWN])
        more = f" and {len(small) - _SHOWN} more" if len(small) > _SHOWN else ""
        what = f"smaller than the {minimum}x{minimum} pixels needed: {shown}{more}"
        raise InputError(what, where=where, fix="remove them or choose a smaller patch")


def _check_apart(train: list[Picture], holdout: list[Picture], where: object) -> None:
    """A picture that is trained on says nothing when it is held out, whatever its name."""
    trained = {_pixels(picture): picture.name for picture in train}
    for picture in holdout:
        twin = trained.get(_pixels(picture))
        if twin is not None:
            what = f"{picture.name} is held out, but {twin}, which is trained on, is the same picture"
            raise InputError(what, where=where, fix="remove one of them or hold out both")


def _pixels(picture: Picture) -> tuple[str, bytes]:
    return picture.size, hashlib.sha256(picture.rgb.tobytes()).digest()
