"""Put a finished export in its place: the whole folder at once, or its failure's evidence."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipersr_build import evidence, files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Evidence, FileRecord, PackageRecord
from pipersr_build.progress import say
from pipersr_build.report.swift import program_name

EVIDENCE, REPORT, CARD, WEIGHTS, SAMPLES, SUMS = (
    "evidence.json", "report.html", "MODEL_CARD.md", "weights.safetensors", "samples", "SHA256SUMS",
)  # fmt: skip
RELEASE, INDEX = "release.json", "RELEASE.md"  # of a release
OURS = {EVIDENCE, REPORT, CARD, WEIGHTS, SAMPLES, SUMS, RELEASE, INDEX}


@dataclass(frozen=True)
class Place:
    """Where an export goes (`target`), where it is made (`stage`), and what was there before."""

    target: Path
    stage: Path
    before: Evidence | None

    @property
    def failed(self) -> Path:
        """Where the evidence of an export that failed its gates is left."""
        return self.target.with_name(f"{self.target.name}.failed")


@contextmanager
def place(root: Path, name: str) -> Iterator[Place]:
    """Prepare to make the export `name` below `root`.

    Raises:
        InputError: `root` cannot be written to, or a folder of that name is not an export.
    """
    target, parked, before = root / name, root / f".old-{name}", None
    if parked.is_dir() and not target.exists():  # a kill between the two renames of an earlier exchange
        parked.rename(target)
    if target.exists() and not target.is_dir():
        raise InputError(
            "a file stands where the export's folder is to be", where=target, fix="choose another name=…"
        )
    if target.is_dir() and any(target.iterdir()):
        if not (target / EVIDENCE).is_file():
            raise InputError(
                "the folder exists and is not an export (it has no evidence.json)",
                where=target,
                fix="choose another name=… or exports=…",
            )
        before = evidence.load(target / EVIDENCE)
    with files.staging(root) as stage:
        yield Place(target, stage, before)


def carry_over(where: Place, new: Evidence) -> Evidence:
    """Add what the export holds and `new` does not make again: packages and files of the same weights.

    Files that are not ours are kept too; packages of other weights are not.
    """
    if where.before is None:
        return new
    made = {one.file for one in new.exported}
    same = where.before.weights_sha256 == new.weights_sha256
    there = where.before.exported
    old = [one for one in there if one.file not in made] if same else []
    kept = {p.file for p in old if _unchanged(where.target / p.file, p.sha256)}
    dropped = sorted({p.file for p in old} - kept)
    if dropped:
        say(f"not kept, because they are not as their evidence says: {', '.join(dropped)}")
    if (where.target / RELEASE).is_file():
        say(f"{where.target} was a release and is none any more; make it again with: pipersr-build release")
    pictures = {SAMPLES} if same and not new.samples and (where.target / SAMPLES).is_dir() else set()
    for name in sorted(kept | (foreign(where) - made) | pictures):
        copy(where.target / name, where.stage / name)
    gates = [gate for gate in where.before.gates if gate.subject.partition(":")[0] in kept]
    counted = where.before.activations
    carried = counted if counted is not None and counted.subject.partition(":")[0] in kept else None
    return new.model_copy(update={
        "activations": new.activations or carried,
        "quality": new.quality or (where.before.quality if same else []),
        "samples": new.samples or (where.before.samples if pictures else []),
        "packages": [*new.packages, *(p for p in old if isinstance(p, PackageRecord) and p.file in kept)],
        "files": [*new.files, *(one for one in old if isinstance(one, FileRecord) and one.file in kept)],
        "gates": [*new.gates, *gates],
    })  # fmt: skip


def foreign(where: Place) -> set[str]:
    """The names in the export's folder, as it was before, that are of no export."""
    if where.before is None or not where.target.is_dir():
        return set()
    known = OURS | {one.file for one in where.before.exported}
    known |= {program_name(package.file) for package in where.before.packages}
    return {entry.name for entry in where.target.iterdir()} - known


def unproved(folder: Path, record: Evidence) -> list[str]:
    """The packages, files and weights of an export that are not those of its evidence, or are missing."""
    stated = {one.file: one.sha256 for one in record.exported}
    if record.weights_sha256:
        stated[WEIGHTS] = record.weights_sha256
    return [name for name, sha256 in stated.items() if not _unchanged(folder / name, sha256)]


def _unchanged(package: Path, sha256: str) -> bool:
    return package.exists() and files.sha256(package) == sha256


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder.

    Raises:
        InputError: the target's folder cannot be written to or the disk is full.
    """
    with files.write_errors(target):
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def finish(where: Place, record: Evidence) -> Path:
    """Move the staged export into place, or, if a gate failed, leave only its evidence.

    Returns:
        the folder that now holds the evidence.
    """
    if not record.failed:
        write_sums(where.stage)
        files.replace(where.stage, where.target)
        shutil.rmtree(where.failed, ignore_errors=True)
        return where.target
    for name in {one.file for one in record.exported}:
        _remove(where.stage / name)
    files.replace(where.stage, where.failed)
    return where.failed


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file of an export beside them, as `sha256sum --check` reads it.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    lines = (f"{files.sha256(folder / name)}  {name}\n" for name in _names(folder))
    files.write_text(folder / SUMS, "".join(lines))


def changed(folder: Path) -> dict[str, str]:
    """The files of an export that are not as its sums say, missing or changed; without sums, the sums."""
    if not (folder / SUMS).is_file():
        return {SUMS: "is missing"}
    stated, there = sums(folder), set(_names(folder))
    missing = {name: "is missing" for name in stated if name not in there}
    differing = {
        name: "was changed"
        for name, digest in stated.items()
        if name in there and files.sha256(folder / name) != digest
    }
    return missing | differing


def unlisted(folder: Path) -> dict[str, str]:
    """The files of an export that its sums do not list; empty without sums."""
    stated = sums(folder)
    return {name: "was added" for name in _names(folder) if name not in stated} if stated else {}


def sums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of an export, by its name, as `SHA256SUMS` has them; empty without."""
    if not (folder / SUMS).is_file():
        return {}
    pairs = (line.partition("  ") for line in (folder / SUMS).read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, _, name in pairs}


def _names(folder: Path) -> list[str]:
    """The files below a folder but for the sums, relative to it, sorted."""
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in found if name != SUMS)
