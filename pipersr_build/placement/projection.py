"""One function of a multifunction package as a package of its own, for tools that see only the default.

Core ML's compute plan has no argument for a function. The projection changes the model file alone and
keeps every operation and name, so that the plan of the projection is that function's plan.
"""

import os
import shutil
from pathlib import Path

from pipersr_build import files
from pipersr_build.mil.package import Package, model_file


def project(package: Package, function: str, folder: Path) -> Path:
    """Write a package that holds only `function`, as its default, into `folder`; return its path.

    The weights are linked, not copied, where the file system can. Nothing of the original is changed.

    Args:
        package: the opened package.
        function: one of its functions.
        folder: an existing folder.

    Raises:
        InputError: the disk is full or cannot be written to.
    """
    target = folder / "function.mlpackage"  # a function's name need not be one for a file
    with files.write_errors(target):
        for source in sorted(path for path in package.path.rglob("*") if path.is_file()):
            place = target / source.relative_to(package.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(source, place)
        model = model_file(target)
        model.unlink()  # it may be a link to the original
    files.write_bytes(model, _spec(package, function))
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _spec(package: Package, function: str) -> bytes:
    spec = type(package.spec)()
    spec.CopyFrom(package.spec)
    description = spec.description
    for name in [name for name in spec.mlProgram.functions if name != function]:
        del spec.mlProgram.functions[name]
    kept = [entry for entry in description.functions if entry.name == function]
    del description.functions[:]
    description.functions.extend(kept)
    description.defaultFunctionName = function if kept else ""
    written: bytes = spec.SerializeToString()
    return written
