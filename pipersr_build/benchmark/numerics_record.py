"""The record of `bench numerics`, and its tables."""

from pathlib import Path

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record

FORMS = {
    "fp16": "fp16, as PyTorch computes",
    "sums": "fixed-point sums and rounding alone",
    "tables": "activation tables and rounding alone",
    "ane": "all that is known (`ane`)",
    "sampled": "SiLU by a table of exact points",
    "by_sigmoid": "SiLU as x · sigmoid(x)",
    "by_tanh": "SiLU as x/2 + x/2 · tanh(x/2)",
}
ALTERNATIVES = ("sampled", "by_sigmoid", "by_tanh")


class Measured(Record):
    """What one form of the arithmetic makes of one test set."""

    form: str
    dataset: str
    psnr: float = Field(
        description="dB against the true pictures, the conditions' protocol; mean over pictures"
    )
    most_lost: float = Field(description="dB against fp16, on the picture that loses most")
    nearest: float = Field(description="PSNR (dB, RGB) against the picture of fp16, the lowest")
    worst_pixel: int = Field(description="largest difference from fp16 in 8-bit levels")


class Sums(Record):
    """An operation that adds products, over all pictures, in fp16."""

    name: str
    kind: str
    largest: float = Field(description="absolute result")
    partial: float = Field(description="sum of absolute products and bias")
    margin: float = Field(description="32768 / partial")


class Tables(Record):
    """An activation function that the engine takes from a table, over all pictures, in fp16."""

    name: str
    kind: str
    low: float = Field(description="of what it is given")
    high: float
    rms: float = Field(description="of the table's error")
    worst: float


class Subject(Record):
    """One network."""

    weights: str
    sha256: str
    title: str
    rows: list[Measured]
    sums: list[Sums]
    tables: list[Tables]

    def mean(self, form: str, dataset: str) -> Measured | None:
        """A form's row on a test set."""
        return next((row for row in self.rows if (row.form, row.dataset) == (form, dataset)), None)


class Conditions(Record):
    """What is equal for every row; a record holds rows of the same conditions."""

    sets: dict[str, int] = Field(description="test sets and their numbers of pictures")
    protocol: str
    tile: int
    target: str


class Numerics(Record):
    """The networks of one run."""

    provenance: Provenance
    conditions: Conditions
    subjects: list[Subject]


def save(record: Numerics, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Numerics:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    try:
        return Numerics.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            "no such record", where=path, fix="make it with: pipersr-build bench numerics"
        ) from error
    except ValidationError as error:
        what = f"the record does not follow the schema: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix="move it away to start anew") from error


def not_measured() -> str:
    """What stands in the place of the tables as long as there is no record."""
    return "Not simulated yet: `pipersr-build bench numerics evaluation.folder=TESTSETS` does it."


def table(record: Numerics) -> str:
    """What each form of the arithmetic costs each network, as Markdown."""
    lines = [
        "| network | arithmetic | test set | PSNR | lost | most, one picture | from fp16 | worst pixel |",
        "|---|---|---|---:|---:|---:|---:|---:|",
        *(_line(subject, row) for subject in record.subjects for row in subject.rows),
    ]
    return "\n".join([*lines, "", _conditions(record)])


def margin_table(record: Numerics) -> str:
    """The layers of the first network, as Markdown."""
    first = record.subjects[0]
    lines = [
        "| sum | largest result | largest partial sum, any order | margin to 32768 |",
        "|---|---:|---:|---:|",
        *(
            f"| {s.kind} `{s.name}` | {s.largest:.4g} | {s.partial:.4g} | {s.margin:,.0f} x |"
            for s in first.sums
        ),
    ]
    if first.tables:
        lines += ["", "| activation | takes | table's error, RMS | largest |", "|---|---:|---:|---:|"]
    lines += [
        f"| {t.kind} `{t.name}` | {t.low:.2f} … {t.high:.2f} | {t.rms:.2g} | {t.worst:.2g} |"
        for t in first.tables
    ]
    return "\n".join([*lines, "", f"{first.title}, on the pictures of the table above, in fp16."])


def _line(subject: Subject, row: Measured) -> str:
    whole = subject.mean("fp16", row.dataset)
    ends = f"| {subject.title} | {FORMS[row.form]} | {row.dataset} | {row.psnr:.3f} |"
    if whole is None or row.form == "fp16":
        return f"{ends} – | – | – | – |"
    lost = whole.psnr - row.psnr
    return f"{ends} {lost:.3f} | {row.most_lost:.3f} | {row.nearest:.1f} dB | {row.worst_pixel} |"


def _conditions(record: Numerics) -> str:
    how, where = record.conditions, record.provenance
    weights = ", ".join(f"{one.weights} (SHA-256 `{one.sha256[:16]}`)" for one in record.subjects)
    return (
        f"Simulated, not measured on an engine. PSNR in dB, {how.protocol}, and dB lost against fp16; "
        f"from fp16: PSNR on RGB of the least similar picture; worst pixel in levels of 255. Image packages "
        f"of {weights}, tile {how.tile}², {how.target}, read back from disk. {where.created[:10]}, "
        f"{where.machine.processor}, torch {where.torch}, coremltools {where.coremltools}, "
        f"commit {(where.git_commit or 'unknown')[:10]}."
    )
