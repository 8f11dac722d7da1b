"""Short names that tell files or folders apart."""

import os
from collections.abc import Sequence
from pathlib import Path


def distinct(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many folders before it as it takes to tell all apart.

    Args:
        paths: different files or folders.
    """
    # links are not followed: a path is told by the names that it was given with
    parts = [Path(os.path.abspath(path)).parts[1:] for path in paths]  # noqa: PTH100
    names: list[str] = []
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names
