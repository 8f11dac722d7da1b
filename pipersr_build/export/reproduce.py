"""Compare a package with the same one made again, byte for byte, but for who made it."""

from dataclasses import dataclass
from pathlib import Path

from pipersr_build.export import makers
from pipersr_build.export.formats import ONNX, SUFFIXES, onnx
from pipersr_build.mil.package import model_file, read_spec
from pipersr_build.validation import coreai_file


@dataclass(frozen=True)
class Comparison:
    """What is different between a package and the one that was made again.

    Attributes:
        files: paths in the package, with what is the matter, of files that differ or that only one has.
        makers: versions and revisions that differ, by key: the package's and this toolkit's. They are no
            difference of the packages; see `makers`.
    """

    files: dict[str, str]
    makers: dict[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether the packages are the same, whoever made them."""
        return not self.files


def compare(package: Path, again: Path) -> Comparison:
    """Compare `package`, or a file of another format, with `again`.

    Raises:
        InputError: one is not there, or is no package.
    """
    if again.suffix in SUFFIXES.values():
        return _others(package, again)
    program = model_file(again)
    names = [{file.relative_to(one).as_posix() for file in one.rglob("*") if file.is_file()}
             for one in (package, again)]  # fmt: skip
    found = dict.fromkeys(sorted(names[0] - names[1]), "is not made")
    found |= dict.fromkeys(sorted(names[1] - names[0]), "is missing")
    found |= {
        name: "differs"
        for name in sorted(names[0] & names[1])
        if again / name != program and (package / name).read_bytes() != (again / name).read_bytes()
    }
    if "Manifest.json" in found:
        return Comparison(found, {})
    same, differing = _programs(model_file(package), program)
    if not same:
        found[program.relative_to(again).as_posix()] = "differs"
    return Comparison(found, differing)


def _others(file: Path, again: Path) -> Comparison:
    """Compare ONNX files, or the files of Core AI models; who made them is told apart."""
    makers_of = onnx.without_makers if again.suffix == SUFFIXES[ONNX] else coreai_file.without_makers
    (theirs, there), (ours, here) = makers_of(file), makers_of(again)
    names = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    return Comparison(dict.fromkeys(names, "differs"), _differing(theirs, ours))


def _programs(old: Path, new: Path) -> tuple[bool, dict[str, tuple[str, str]]]:
    """Whether two model files are the same bytes with the same makers, and which makers differ."""
    theirs, spec = makers.read(read_spec(old)), read_spec(new)
    ours = makers.read(spec)
    makers.update(spec, theirs)
    return old.read_bytes() == spec.SerializeToString(deterministic=True), _differing(theirs, ours)


def _differing(theirs: dict[str, str], ours: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What two say of their makers that is not the same, by key."""
    return {
        key: (theirs.get(key, "none"), ours.get(key, "none"))
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    }
