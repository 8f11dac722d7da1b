"""Which pictures of a corpus are held out: a number, names, or a file of names."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipersr_build.errors import InputError

Holdout = int | str | Path | Sequence[str]


def held_out(holdout: Holdout, names: Sequence[str], folder: Path) -> set[str]:
    """The names that are held out.

    Args:
        holdout: a number of pictures, taken evenly from `names`; or names; or a text file of names, one
            on a line, relative to `folder` or to the file's own folder (empty lines and lines that
            begin with # are skipped).
        names: every picture of the corpus, sorted, relative to `folder`.
        folder: where the pictures are.

    Raises:
        InputError: a name is unknown, the file cannot be read, or no picture is held out.
    """
    if isinstance(holdout, int):
        held = _evenly(names, holdout)
    elif isinstance(holdout, str | Path):
        held = _known(_read_names(Path(holdout), names, folder), names, holdout)
    else:
        held = _known(holdout, names, folder)
    if not held:
        raise InputError("no picture is held out", where=folder, fix="hold out one picture at least")
    return held


def _evenly(names: Sequence[str], count: int) -> set[str]:
    """`count` names at equal distances in the sorted list, all of them if there are not more."""
    count = max(0, min(count, len(names)))
    return {names[index * len(names) // count] for index in range(count)}


def _read_names(file: Path, names: Sequence[str], folder: Path) -> list[str]:
    """The names in a list file, each as the corpus knows it where it does."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        fix = "give a text file with one name on a line: data.holdout=FILE"
        raise InputError("the list of held-out pictures cannot be read", where=file, fix=fix) from error
    here, top, known = file.resolve().parent, folder.resolve(), set(names)
    wanted = []
    for line in (line for line in lines if line and not line.startswith("#")):
        beside = here / line
        as_it_is = line in known or not beside.is_relative_to(top)
        wanted.append(line if as_it_is else beside.relative_to(top).as_posix())
    return wanted


def _known(wanted: Iterable[str], names: Sequence[str], where: object) -> set[str]:
    held = set(wanted)
    for name in sorted(held - set(names)):
        close = difflib.get_close_matches(name, names, n=1)
        fix = f"did you mean {close[0]}?" if close else f"names look like this: {names[0]}"
        raise InputError(f"no picture is called {name}, so it cannot be held out", where=where, fix=fix)
    return held
