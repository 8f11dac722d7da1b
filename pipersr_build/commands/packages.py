"""Find the packages that a command's paths mean."""

import os
from pathlib import Path

from pipersr_build import evidence
from pipersr_build.commands.placing import EVIDENCE
from pipersr_build.errors import InputError
from pipersr_build.export import formats


def find(paths: list[Path], command: str, *, others: bool = False) -> list[Path]:
    """The packages that `paths` name.

    An export's folder stands for the packages in its evidence, another folder for those inside it. With
    `others` also ONNX files and Core AI models: those in an export's evidence, and those that are named.

    Raises:
        InputError: no path is given, or a folder has neither a manifest nor evidence.
    """
    if not paths:
        raise InputError(
            "no package is given",
            where="command line",
            fix=f"say: pipersr-build {command} exports/quickstart",
        )
    return [package for path in paths for package in _packages(path, others)]


def is_other(path: Path) -> bool:
    """Whether a path means an ONNX file or a Core AI model, by its ending."""
    return path.suffix in formats.SUFFIXES.values()


def _packages(path: Path, others: bool) -> list[Path]:
    if others and is_other(path):
        return [path]
    if not (path / EVIDENCE).is_file():
        found = _inside(path)
        if not found and path.is_dir() and not _is_package(path):
            fix = "give a .mlpackage, or a folder that holds some"
            raise InputError("no package is in this folder", where=path, fix=fix)
        return found or [path]
    try:
        record = evidence.load(path / EVIDENCE)
        named = [one.file for one in (record.exported if others else record.packages)]
        return [path / file for file in dict.fromkeys(named)]
    except InputError:  # of another version: its packages can be read all the same
        if found := _inside(path):
            return found
        raise


def _inside(folder: Path) -> list[Path]:
    """The packages in a folder that is none itself, and in its folders, sorted."""
    if _is_package(folder):
        return []
    found: list[Path] = []
    for here, folders, _ in os.walk(folder):
        packages = [name for name in folders if name.endswith(".mlpackage")]
        folders[:] = [name for name in folders if name not in packages]
        found += [Path(here, name) for name in packages]
    return sorted(found)


def _is_package(folder: Path) -> bool:
    """Whether the folder is meant as one package, whole or not."""
    return folder.suffix in (".mlpackage", ".mlmodelc") or (folder / "Manifest.json").exists()
