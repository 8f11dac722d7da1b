"""Write a converted model as a package whose bytes depend on the model alone."""

import json
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

from pipersr_build.errors import InputError
from pipersr_build.export import makers
from pipersr_build.export.metadata import NOBODY, About, describe_features
from pipersr_build.files import write_errors

_DATE = "com.github.apple.coremltools.conversion_date"
_NAMESPACE = uuid.UUID("6f1c3f0e-7c0e-5d43-9a63-0c7f1b1f5b52")  # ours alone; any fixed value would do
_LABEL = re.compile(r"(?<=\d)\+(cpu|cu\d+|rocm[\d.]+|xpu|git\w+)$")


def write_package(
    model: Any, path: Path, description: str, metadata: dict[str, str], about: About = NOBODY
) -> None:
    """Save coremltools `MLModel` `model` at `path` with fixed identifiers and without a date.

    `metadata` goes into the package's user-defined metadata, beside what `about` says. Two calls with the
    same model give the same bytes: the protobuf is serialised in its deterministic form, the manifest's
    random identifiers are derived from the items' paths, and the conversion date is left out, as is the
    local label of PyTorch's version (`+cpu`), which is of a machine and not of a package.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    with write_errors(path):
        try:
            model.save(str(path))
        except shutil.Error as error:  # copying a folder collects its files' errors, without a number
            raise InputError(
                f"the package could not be written ({error})",
                where=path,
                fix="check the folder's permissions and free space",
            ) from error
        program = _fix_manifest(path / "Manifest.json")
        _fix_program(path / "Data" / program, description, metadata, about)
        for file in path.rglob("*"):  # coremltools writes some that only their owner can read
            file.chmod(0o755 if file.is_dir() else 0o644)


def _fix_manifest(manifest: Path) -> str:
    """Replace random identifiers; return the model file's path inside the package's data."""
    content = json.loads(manifest.read_text())
    root: str = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    entries = {
        str(uuid.uuid5(_NAMESPACE, item["path"])): item for item in content["itemInfoEntries"].values()
    }
    content["itemInfoEntries"] = dict(sorted(entries.items()))
    content["rootModelIdentifier"] = str(uuid.uuid5(_NAMESPACE, root))
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return root


def _fix_program(file: Path, description: str, extra: dict[str, str], about: About) -> None:
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    metadata = spec.description.metadata
    metadata.shortDescription = description
    metadata.author, metadata.license, metadata.versionString = about.author, about.licence, about.version
    metadata.userDefined.pop(_DATE, None)
    metadata.userDefined.update({**about.values, **extra})
    for one in spec.description.functions or [spec.description]:
        describe_features(one)
    makers.update(spec, {key: without_label(value) for key, value in makers.read(spec).items()})
    file.write_bytes(spec.SerializeToString(deterministic=True))


def without_label(version: str) -> str:
    """A version without its local label: `2.13.0` of `2.13.0+cpu`."""
    return _LABEL.sub("", version)
