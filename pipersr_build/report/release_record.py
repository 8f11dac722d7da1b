"""What `release.json` holds: the parts that a release was made in, its packages, and what was left out."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Gate, PackageRecord, Provenance, Record
from pipersr_build.report import format as fmt
from pipersr_build.report.markdown import bullets, code, table, text

_HEADER = ("package", "in fewer bits", "target", "size", "SHA-256")


class ReleasedPackage(Record):
    """One package of a release."""

    file: str
    contract: Literal["image", "video"]
    functions: list[str]
    target: str
    method: str
    bytes: int
    sha256: str


class ReleasedPart(Record):
    """Packages that one set of settings makes; with them they can be made again."""

    title: str
    settings: dict[str, Any]
    packages: list[ReleasedPackage]


class LeftOut(Record):
    """A package that failed a gate, and the gate."""

    file: str
    gate: Gate


class Release(Record):
    """A released export."""

    schema_version: Literal[1] = 1
    name: str
    provenance: Provenance
    weights_sha256: str
    parts: list[ReleasedPart]
    left_out: list[LeftOut]

    @property
    def packages(self) -> list[ReleasedPackage]:
        """All packages, in order."""
        return [package for part in self.parts for package in part.packages]


def released(records: list[PackageRecord], methods: dict[str, str]) -> list[ReleasedPackage]:
    """The packages that evidence holds, the functions of one joined.

    Args:
        records: of a part, in order.
        methods: how the packages with fewer bits were made, by file.
    """
    found: dict[str, ReleasedPackage] = {}
    for record in records:
        functions = found[record.file].functions if record.file in found else []
        found[record.file] = ReleasedPackage(
            file=record.file,
            contract=record.contract,
            functions=[*functions, *filter(None, [record.function])],
            target=record.target,
            method=methods.get(record.file, ""),
            bytes=record.bytes,
            sha256=record.sha256,
        )
    return list(found.values())


def save(record: Release, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Release:
    """Read a record.

    Raises:
        InputError: it is missing or does not follow this schema.
    """
    if not path.is_file():
        raise InputError("no release is there", where=path, fix="make one with: pipersr-build release")
    try:
        return Release.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"the release record does not follow the schema: {error.errors()[0]['msg']}"
        fix = "make the release again with this version of the toolkit"
        raise InputError(what, where=path, fix=fix) from error


def render(record: Release) -> str:
    """RELEASE.md: what is in the folder, what is not and why, and how to check it."""
    made = record.provenance
    commit = f"commit {made.git_commit[:10]}" if made.git_commit else "no commit recorded"
    changes = ", with changes that are not committed" if made.git_dirty else ""
    parts = [
        f"# {text(record.name)}: release",
        f"Made by {code(made.command)} of pipersr-build {made.toolkit} ({commit}{changes}), coremltools "
        f"{made.coremltools}, torch {made.torch}, on {made.created[:10]}. Weights: SHA-256 "
        f"{code(record.weights_sha256)}.",
        table(
            ("package", "in fewer bits", "target", "size", "SHA-256"), map(_row, record.packages), right=[3]
        ),
    ]
    if record.left_out:
        parts += ["Left out, because a gate failed:", bullets(map(_reason, record.left_out))]
    parts += [
        "Checked and made again by `pipersr-build release --check` with this folder; the files alone by "
        "`sha256sum --check SHA256SUMS`. What was measured and what was not: `MODEL_CARD.md`, `report.html`, "
        "`evidence.json`.",
    ]
    return "\n\n".join(parts) + "\n"


def _row(package: ReleasedPackage) -> list[str]:
    functions = f" ({', '.join(map(code, package.functions))})" if package.functions else ""
    return [
        code(package.file) + functions,
        code(package.method) if package.method else "–",
        text(package.target),
        fmt.megabytes(package.bytes),
        code(package.sha256),
    ]


def _reason(one: LeftOut) -> str:
    gate = one.gate
    value = "unknown" if gate.value is None else fmt.quantity(gate.value, gate.unit, against=gate.threshold)
    asked = fmt.quantity(gate.threshold, gate.unit)
    return f"{code(one.file)}: {text(gate.name)} {value}, asked {gate.direction} {asked}"
