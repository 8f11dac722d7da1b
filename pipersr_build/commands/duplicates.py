"""`data duplicates`: test or held-out pictures that are among those trained on, however disguised."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import corpus_of
from pipersr_build.config import load
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.duplicates import Match, Named, find_duplicates
from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.progress import track


def main(words: list[str]) -> int:
    """Compare the corpus with test folders, or with its own held-out pictures; 1 if any are in both.

    A folder with `HR` inside stands for the pictures in that.
    """
    folders, overrides = arguments.split(words)
    config = load(overrides)
    paths = {folder: list_images(_truth(folder)) for folder in folders}  # before the long reading
    corpus = corpus_of(config)
    matches = report(corpus, paths)
    if not matches:
        against = ", ".join(map(str, folders)) or f"{len(corpus.holdout)} held-out pictures"
        print(f"no duplicates: {len(corpus.train)} training pictures of {corpus.name}, {against}")
        return 0
    Console().print(_table(matches))
    return 1


def report(corpus: Corpus, folders: dict[Path, list[Path]]) -> list[Match]:
    """The duplicates of the training pictures among the images of the folders, with progress bars.

    Args:
        corpus: the pictures trained on, and those held out, which are compared if there are no folders.
        folders: test folders and their images.

    Raises:
        InputError: an image cannot be read.
    """
    train = ((picture.name, picture.rgb) for picture in corpus.train)
    held = ((picture.name, picture.rgb) for picture in corpus.holdout)
    tests = sum(map(len, folders.values())) or len(corpus.holdout)
    return find_duplicates(
        track("training pictures", train, len(corpus.train)),
        track("test pictures", _read(folders) if folders else held, tests),
    )


def _read(folders: dict[Path, list[Path]]) -> Iterator[Named]:
    """Pictures one at a time, named by the folder's name and their path in it."""
    for folder, paths in folders.items():
        for path in paths:
            yield f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}", load_rgb(path)


def _truth(folder: Path) -> Path:
    return folder / "HR" if (folder / "HR").is_dir() else folder


def _table(matches: list[Match]) -> Table:
    table = Table(title="pictures trained on that are also in a test set", title_justify="left")
    for column in ("training picture", "test picture", "test picture is", "bits of 64", "correlation"):
        table.add_column(column, overflow="fold")
    for match in matches:
        table.add_row(match.train, match.test, match.orientation, str(match.distance),
                      f"{match.correlation:.3f}")  # fmt: skip
    return table
