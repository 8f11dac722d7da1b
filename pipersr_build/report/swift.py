"""A Swift program beside each locked video package, which runs it as an application would."""

import json
from functools import cache
from importlib.resources import files as resources
from pathlib import Path

from pipersr_build.evidence import Evidence
from pipersr_build.files import write_text
from pipersr_build.mil.package import open_package
from pipersr_build.runtime.frames import enlargement
from pipersr_build.scales import to_hr


def write_programs(record: Evidence, folder: Path) -> None:
    """Write the program of each video package in `folder`.

    Those with a state, or with several functions, have theirs in the card.

    Raises:
        InputError: a package of the record cannot be read.
    """
    for package in record.packages:
        if package.kind == "video" and not package.function:
            write_text(folder / program_name(package.file), program(folder / package.file))


def program_name(package: str) -> str:
    """The file name of a package's program."""
    return str(Path(package).with_suffix(".swift"))


def program(package: Path) -> str:
    """The program for a package of Float16 frames of one size, with its names and sizes.

    Raises:
        InputError: the package cannot be read, or is no such package.
    """
    what = enlargement(open_package(package))
    height, width = what.size
    words = {
        "PACKAGE_LITERAL": _literal(package.name),
        "INPUT_LITERAL": _literal(what.source),
        "OUTPUT_LITERAL": _literal(what.result),
        "PACKAGE": package.name,
        "PROGRAM": program_name(package.name),
        "WIDTH": str(width),
        "HEIGHT": str(height),
        "OUT_WIDTH": str(to_hr(width, what.scale)),
        "OUT_HEIGHT": str(to_hr(height, what.scale)),
    }
    text = _template()
    for word, value in words.items():
        text = text.replace(f"__{word}__", value)
    return text


def _literal(text: str) -> str:
    """A string literal of Swift, on one line."""
    return json.dumps(text, ensure_ascii=False)


@cache
def _template() -> str:
    return (resources("pipersr_build.report") / "frames.swift").read_text(encoding="utf-8")
