"""Find the packages that a command's paths mean."""

from pathlib import Path

from pipersr_build import evidence
from pipersr_build.commands.publish import EVIDENCE
from pipersr_build.errors import InputError


def find(paths: list[Path], command: str) -> list[Path]:
    """The packages that `paths` name; an export's folder stands for the packages in its evidence.

    Raises:
        InputError: no path is given, or a folder has neither a manifest nor evidence.
    """
    if not paths:
        raise InputError(
            "no package is given",
            where="command line",
            fix=f"say: pipersr-build {command} exports/quickstart",
        )
    return [package for path in paths for package in _packages(path)]


def _packages(path: Path) -> list[Path]:
    if not (path / EVIDENCE).is_file():
        return [path]
    return [path / package.file for package in evidence.load(path / EVIDENCE).packages]
