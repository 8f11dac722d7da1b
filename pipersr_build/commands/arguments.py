"""Split a command's words into paths and Hydra overrides."""

import os
import re
from pathlib import Path

from pipersr_build.errors import InputError

_OVERRIDE = re.compile(r"[+~]*[A-Za-z_][\w./@-]*=")


def split(words: list[str]) -> tuple[list[Path], list[str]]:
    """Return (paths, overrides). `key=value` is an override unless a file of that name exists."""
    overrides = [word for word in words if _OVERRIDE.match(word) and not os.path.exists(word)]  # noqa: PTH110
    paths = [Path(word) for word in words if word not in overrides]
    for path in paths:
        if str(path).startswith("-"):
            raise InputError(
                f"option {str(path)!r} is not known",
                where="command line",
                fix="see: pipersr-build COMMAND --help; settings are given as key=value",
            )
    return paths, overrides


def overrides_only(words: list[str]) -> list[str]:
    """Return the words, all of which must be overrides.

    Raises:
        InputError: one is not.
    """
    paths, overrides = split(words)
    if paths:
        raise InputError(
            f"{str(paths[0])!r} is not understood",
            where="command line",
            fix="settings are given as key=value, for example training.steps=2000",
        )
    return overrides


def names_group(overrides: list[str], group: str) -> bool:
    """Whether the overrides choose `group` or a key in it."""
    return any(re.match(rf"{group}[.=]", override) for override in overrides)


def in_full(word: str, short: dict[str, str]) -> str:
    """A setting under its full name: `chip=m2` is `placement.chip=m2` where `short` says so."""
    key, sign, value = word.partition("=")
    return f"{short.get(key, key)}{sign}{value}"
