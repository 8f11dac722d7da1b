"""The record of `bench compression`, and its table."""

from pathlib import Path

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record


class Conditions(Record):
    """What is equal for every row; a record holds rows of the same conditions."""

    weights: str
    weights_sha256: str
    sets: dict[str, int] = Field(description="test sets and their numbers of pictures")
    protocol: str
    tile: int
    target: str
    keep_fp16: str
    calibration: str = Field(description="the pictures that ranges were measured on")


class Row(Record):
    """One package: how it was made smaller, and what it reaches."""

    method: str = Field(description="key of `export.compression.METHODS`; empty: as it is, in fp16")
    title: str
    bytes: int
    psnr: dict[str, float] = Field(description="dB, by test set")
    ssim: dict[str, float]


class Compression(Record):
    """The packages of one network, the whole one first."""

    provenance: Provenance
    conditions: Conditions
    rows: list[Row]


def save(record: Compression, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Compression:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    try:
        return Compression.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        fix = "make it with: pipersr-build bench compression"
        raise InputError("no such record", where=path, fix=fix) from error
    except ValidationError as error:
        what = f"the record does not follow the schema: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix="move it away to start anew") from error


def not_measured() -> str:
    """What stands in the place of the table as long as there is no record."""
    return "Not measured yet: `pipersr-build bench compression evaluation.folder=TESTSETS` measures it."


def table(record: Compression) -> str:
    """The record as Markdown: a row for each package, with what fewer bits cost it on each test set."""
    sets, whole = list(record.conditions.sets), record.rows[0]
    heads = [head for one in sets for head in (one, "lost")]
    lines = [
        f"| package | bytes | size | {' | '.join(heads)} |",
        "|---|---:|---:" + "|---:" * len(heads) + "|",
    ]
    for row in record.rows:
        scores = [f"{row.psnr[one]:.3f} | {_lost(row, whole, one)}" for one in sets]
        name = f"`{row.method}`, {row.title}" if row.method else row.title
        share = f"{row.bytes / whole.bytes:.2f}"
        lines.append(f"| {name} | {row.bytes:,} | {share} | {' | '.join(scores)} |")
    return "\n".join([*lines, "", _conditions(record)])


def _lost(row: Row, whole: Row, dataset: str) -> str:
    return "–" if row is whole else f"{whole.psnr[dataset] - row.psnr[dataset]:.3f}"


def _conditions(record: Compression) -> str:
    how, where = record.conditions, record.provenance
    commit = (where.git_commit or "unknown")[:10] + ", with uncommitted changes" * bool(where.git_dirty)
    return (
        f"PSNR in dB, {how.protocol}, and dB lost against the package in fp16; image packages of "
        f"{how.weights} (SHA-256 `{how.weights_sha256[:16]}`), tile {how.tile}², {how.target}, read back "
        f"from disk and run by the MIL interpreter. Calibrated on {how.calibration}; "
        f"`export.keep_fp16={how.keep_fp16}`. {where.created[:10]}, {where.machine.processor}, torch "
        f"{where.torch}, coremltools {where.coremltools}, commit {commit}."
    )
