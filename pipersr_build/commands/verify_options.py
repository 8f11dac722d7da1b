"""The words after `verify`: packages, settings, and where answers go."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipersr_build.commands import arguments
from pipersr_build.errors import InputError

STDOUT = "-"


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Attributes:
        paths: packages, and folders of them.
        overrides: settings.
        json: the file to write JSON to; `-` is the standard output; None writes none.
        html: the page to write.
        junit: the JUnit report to write.
        github: whether to print GitHub's workflow commands.
        pin: the file of the pinned placement.
        pin_update: whether to write the pin though there is one.
        mlperf: a performance report of Xcode's on the one package, in place of asking Core ML.
        measured: True asks for Core ML's answer, False for a prediction; None takes what there is.
    """

    paths: list[Path]
    overrides: list[str]
    json: str | None = None
    html: Path | None = None
    junit: Path | None = None
    github: bool = False
    pin: Path | None = None
    pin_update: bool = False
    mlperf: Path | None = None
    measured: bool | None = None

    @property
    def quiet(self) -> bool:
        """Whether the standard output is for JSON alone."""
        return self.json == STDOUT


def parse(words: list[str]) -> Options:
    """Read the command's words.

    `--json` takes a following word as its file only if that ends in `.json`, so that it can stand before
    packages; `--json=FILE` takes any.

    Raises:
        InputError: a word is not known, or options contradict each other.
    """
    found = _parser().parse_intermixed_args(_with_json_files(words))
    paths, overrides = arguments.split(found.paths)
    if found.pin_update and found.pin is None:
        raise _wrong("--pin-update without --pin", "name the file: --pin residency.json --pin-update")
    written = [found.html, found.junit, found.pin, *([Path(found.json)] if found.json else [])]
    if folders := [str(path) for path in written if path is not None and path.is_dir()]:
        raise _wrong(f"{folders[0]!r} is a folder, where a file is to be written", "name a file in it")
    _check_targets([Path(path) for path in written if path is not None and str(path) != STDOUT])
    return Options(
        paths=paths,
        overrides=overrides,
        json=found.json,
        html=found.html,
        junit=found.junit,
        github=found.github,
        pin=found.pin,
        pin_update=found.pin_update,
        mlperf=found.mlperf,
        measured=found.measured,
    )


def _check_targets(targets: list[Path]) -> None:
    """Refuse to write two answers to one file, or into a package."""
    resolved = [path.resolve() for path in targets]
    if twice := [path for path in resolved if resolved.count(path) > 1]:
        raise _wrong(f"two answers would be written to {twice[0].name!r}", "name a file for each")
    for path in resolved:
        if any(parent.suffix == ".mlpackage" for parent in path.parents):
            raise _wrong(f"{path.name!r} would be written into a package", "name a file outside it")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _wrong(message, "see: pipersr-build verify --help")


def _wrong(what: str, fix: str) -> InputError:
    return InputError(what, where="command line", fix=fix)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pipersr-build verify", add_help=False, allow_abbrev=False)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--json", nargs="?", const=STDOUT)
    parser.add_argument("--html", type=Path)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--github", action="store_true")
    parser.add_argument("--pin", type=Path)
    parser.add_argument("--pin-update", action="store_true")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--measured", dest="measured", action="store_true", default=None)
    source.add_argument("--mlperf", type=Path)
    source.add_argument("--predicted", dest="measured", action="store_false", default=None)
    return parser


def _with_json_files(words: list[str]) -> list[str]:
    """The words with every `--json` bound to its file, or to the standard output."""
    bound: list[str] = []
    for word in words:
        if bound and bound[-1] == "--json":
            takes = word.endswith(".json") or word == STDOUT
            bound[-1] = f"--json={word if takes else STDOUT}"
            if takes:
                continue
        bound.append(word)
    return bound
