"""Several locked sizes in one package: a function for each, and one copy of the weights for all."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipersr_build import files, quiet
from pipersr_build.errors import InputError
from pipersr_build.export import targets
from pipersr_build.export.contracts import Contract
from pipersr_build.export.metadata import NOBODY, About
from pipersr_build.export.write import write_package
from pipersr_build.mil.package import model_file, read_spec

NAME = "video_bundle"
FUNCTION = "upscale_"
LARGEST_RATIO = 1.05  # of the weights of the largest of its packages: one copy of them, and no second
KEY = "configuration key export.video.bundle"


def function_name(contract: Contract) -> str:
    """The function of a contract in the bundle: `upscale_360p`."""
    return f"{FUNCTION}{contract.label}"


def check_bundle(wanted: Iterable[Contract], deployment: str, *, compressed: bool) -> None:
    """See that a bundle of these contracts can be made for a target.

    Raises:
        InputError: the target's systems do not know packages with several functions, there is no video
            package to bundle, or packages of fewer bits are asked for as well.
    """
    if not targets.reaches(deployment, targets.FUNCTIONS_FROM):
        what = f"a package with several functions: {deployment} cannot run that"
        fix = "say target=macos15 (or ios18, or later), or leave the bundle out: separate packages run there"
        raise InputError(what, where=KEY, fix=fix)
    if not any(contract.kind == "video" for contract in wanted):
        fix = "say export=video or export=all"
        raise InputError("a bundle is asked for, and no video package", where=KEY, fix=fix)
    if compressed:
        what = "a bundle is made of packages in fp16 only"
        raise InputError(what, where=KEY, fix="leave export.compress or the bundle out")


def bundle(
    packages: Mapping[str, Path],
    target: Path,
    description: str,
    metadata: dict[str, str],
    about: About = NOBODY,
) -> Path:
    """Join packages of one function each into one with several, in which equal weights are stored once.

    The bytes depend on the packages and on what is said about the bundle alone; see `write_package`.

    Args:
        packages: each with the name of its function; the first is the one that runs when none is named.
        target: the package to write; the folder that it lies in must be there.
        description: in Core ML's field of that name.
        metadata: user-defined; see `metadata`.
        about: who made it, and its licence.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    ct = quiet.coremltools()
    descriptor = ct.models.utils.MultiFunctionDescriptor()
    for name, path in packages.items():
        descriptor.add_function(str(path), src_function_name="main", target_function_name=name)
    descriptor.default_function_name = next(iter(packages))
    write_package(_Joined(ct, descriptor), target, description, metadata, about)
    return target


class _Joined:
    """Packages that are joined when they are saved, as `write_package` saves a model."""

    def __init__(self, ct: Any, descriptor: Any) -> None:
        self._ct, self._descriptor = ct, descriptor

    def save(self, path: str) -> None:
        """Join and save."""
        with quiet.conversion():
            self._ct.models.utils.save_multifunction(self._descriptor, path)
        program = model_file(Path(path))
        spec = read_spec(program)
        for function in spec.mlProgram.functions.values():
            for block in function.block_specializations.values():
                share_constants(block)
        program.write_bytes(spec.SerializeToString(deterministic=True))


def share_constants(block: Any) -> None:
    """Let equal constants of a MIL block be one, in place: its strides, paddings, names of paddings.

    They are half of a program, which is there once for each size. What a block returns stays, and so does
    all of a block whose operations have blocks of their own.
    """
    if any(operation.blocks for operation in block.operations):
        return
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    kept = []
    for operation in block.operations:
        if operation.type == "const" and operation.outputs[0].name not in block.outputs:
            value, name = _value(operation), operation.outputs[0].name
            if first.setdefault(value, name) != name:
                same[name] = first[value]
                continue
        for bound in operation.inputs.values():
            for argument in bound.arguments:
                if argument.WhichOneof("binding") == "name" and argument.name in same:
                    argument.name = same[argument.name]
        kept.append(operation)
    copies = [type(operation).FromString(operation.SerializeToString()) for operation in kept]
    del block.operations[:]
    block.operations.extend(copies)


def _value(operation: Any) -> bytes:
    """A constant's type and value, or its place in the weight file."""
    kind = operation.outputs[0].type.SerializeToString(deterministic=True)
    value = operation.attributes["val"].SerializeToString(deterministic=True)
    return bytes(kind) + bytes(value)


def ratio(package: Path, parts: Iterable[Path]) -> float:
    """The size of a bundle as a multiple of its largest package's."""
    return files.size_bytes(package) / max(map(files.size_bytes, parts))


def weights_ratio(package: Path, parts: Iterable[Path]) -> float:
    """The size of a bundle's weight file as a multiple of its largest package's; 1 where none has one."""
    largest = max(map(_weight_bytes, parts))
    return _weight_bytes(package) / largest if largest else 1.0


def _weight_bytes(package: Path) -> int:
    return sum(file.stat().st_size for file in package.rglob("*.bin"))
