"""How much of the package the tests run, and what they do not: a record, and its table."""

import json
import tomllib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record

COMMAND = "make coverage"
NAMED_BELOW = 90.0  # percent; every file below is named


class FileCoverage(Record):
    """One source file: its statements, those that no test ran, and why."""

    file: str
    statements: int
    missing: list[int]
    reason: str = ""

    @property
    def percent(self) -> float:
        """Of the statements that are run."""
        return 100.0 * (1 - len(self.missing) / self.statements) if self.statements else 100.0


class Coverage(Record):
    """Lines of the package that the whole test suite runs, child processes included."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    coverage: str
    statements: int
    missing: int
    files: list[FileCoverage]

    @property
    def percent(self) -> float:
        """Of all statements that are run."""
        return 100.0 * (1 - self.missing / self.statements) if self.statements else 100.0


def from_report(report: dict[str, Any], reasons: dict[str, str], made: Provenance) -> Coverage:
    """The record of what `coverage json` wrote.

    Args:
        report: its content.
        reasons: why a file is not covered, for those of which that is known.
        made: what made it.

    Raises:
        InputError: a reason is given for a file that the report does not have.
    """
    found = [
        FileCoverage(
            file=name,
            statements=entry["summary"]["num_statements"],
            missing=entry["missing_lines"],
            reason=reasons.get(name, ""),
        )
        for name, entry in sorted(report["files"].items())
    ]
    if unknown := sorted(reasons.keys() - report["files"].keys()):
        fix = "take it out, or correct its path"
        raise InputError("a reason is given for a file that is not in the report", where=unknown[0], fix=fix)
    return Coverage(
        provenance=made,
        coverage=report["meta"]["version"],
        statements=sum(one.statements for one in found),
        missing=sum(len(one.missing) for one in found),
        files=[one for one in found if one.missing],
    )


def load_reasons(path: Path) -> dict[str, str]:
    """Why files are not covered: a TOML table of path and reason."""
    return {str(file): str(reason) for file, reason in tomllib.loads(path.read_text()).items()}


def load_report(path: Path) -> dict[str, Any]:
    """What `coverage json` wrote."""
    return dict(json.loads(path.read_text()))


def save(record: Coverage, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Coverage:
    """Read a record.

    Raises:
        InputError: it is not one.
    """
    try:
        return Coverage.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"not a record of coverage: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix=f"make it anew: {COMMAND}") from error


def not_measured() -> str:
    """What stands in place of the table as long as there is no record."""
    return f"Coverage: not measured. To measure it: `{COMMAND}`"


def table(record: Coverage) -> str:
    """The total, and every file below 90 % with its lines that no test runs and why, in Markdown."""
    named = sorted((one for one in record.files if one.percent < NAMED_BELOW), key=lambda one: one.percent)
    rows = [
        f"| `{one.file}` | {one.percent:.0f} % | {len(one.missing)} of {one.statements} "
        f"| {ranges(one.missing)} | {one.reason or 'no test yet'} |"
        for one in named
    ]
    total = (
        f"**{record.percent:.1f} %** of {record.statements:,} statements are run by the tests; "
        f"{len(named)} files are below {NAMED_BELOW:.0f} %."
    )
    head = ["| file | covered | statements not run | lines | why |", "|---|---:|---:|---|---|"]
    return "\n".join([total, *(["", *head, *rows] if rows else [])])


def ranges(lines: Sequence[int]) -> str:
    """`3-5, 9` for 3, 4, 5 and 9."""
    numbered = enumerate(sorted(lines))
    runs = [[line for _, line in run] for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
