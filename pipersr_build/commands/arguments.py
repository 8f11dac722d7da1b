"""Split a command's words into paths and Hydra overrides, whose values may be any file name."""

import os
import re
from pathlib import Path

from pipersr_build.errors import InputError

_OVERRIDE = re.compile(r"[+~]*[A-Za-z_][\w./@-]*=")
_REST = "--"  # what comes behind it are paths, whatever they look like

# Keys whose values are paths, in full and as commands shorten them
_PATHS = {
    "weights", "exports", "runs", "data.root", "data.archives", "training.initial", "training.teacher",
    "export.calibration", "estimate.out", "compare.out", "evaluation.hr", "evaluation.lr",
    "evaluation.out", "validation.out", "upscale.package", "upscale.out", "bench.pin",
    "serve.token_file", "serve.temporary", "package", "out", "pin", "token_file", "data.folder",
    "evaluation.folder",
}  # fmt: skip
_LISTS = {"evaluation.folder"}  # which may be several, in brackets
_PLAIN = re.compile(r"(?:\.{0,2}/)?[A-Za-z_][\w./-]*", re.ASCII)  # that Hydra takes as they are
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
_BRACKETS = re.compile(r"\[.*\]", re.DOTALL)


def split(words: list[str], *, sweep: bool = False) -> tuple[list[Path], list[str]]:
    """Return (paths, overrides). `key=value` is an override unless a file of that name exists.

    Behind `--` there are only paths. Values of keys that are paths are quoted for Hydra where they need it.

    Args:
        words: of the command line.
        sweep: leave values as they are, since commas are to divide them.

    Raises:
        InputError: a word looks like an option.
    """
    end = words.index(_REST) if _REST in words else len(words)
    given, rest = words[:end], words[end + 1 :]
    overrides = [word for word in given if _OVERRIDE.match(word) and not os.path.exists(word)]  # noqa: PTH110
    names = [word for word in given if word not in overrides]
    for name in names:
        if name.startswith("-"):
            raise InputError(
                f"option {name!r} is not known",
                where="command line",
                fix=f"see: pipersr-build COMMAND --help; settings are given as key=value, a file as ./{name}",
            )
    paths = [Path(name) for name in (*names, *rest)]
    return paths, overrides if sweep else [quoted(word) for word in overrides]


def quoted(word: str) -> str:
    """An override whose value is a path, quoted so that Hydra takes every character as it is.

    Values that are empty, `null` or in quotes already are left as they are, and lists in brackets.
    """
    key, _, value = word.partition("=")
    if key not in _PATHS or value in ("", "null") or _QUOTED.fullmatch(value):
        return word
    if key in _LISTS and _BRACKETS.fullmatch(value):
        return word
    if _PLAIN.fullmatch(value) and value.lower() not in ("true", "false", "nan", "inf"):
        return word
    value = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # no interpolation
    value = re.sub(r"(\\*)'", r"\1\1\\'", value)  # a backslash means itself except before a quote
    value = re.sub(r"(\\+)\Z", r"\1\1", value)
    return f"{key}='{value}'"


def overrides_only(words: list[str], *, sweep: bool = False) -> list[str]:
    """Return the words, all of which must be overrides; see `split`.

    Raises:
        InputError: one is not.
    """
    paths, overrides = split(words, sweep=sweep)
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
