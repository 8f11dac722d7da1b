"""The record of `bench quantization`, and its table."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record

Form = Literal["fp16", "ptq", "qat"]
FORMS: dict[Form, str] = {
    "fp16": "fp16",
    "ptq": "W8A8, ranges measured after training",
    "qat": "W8A8, trained in simulated 8 bits",
}


class Measured(Record):
    """One package's quality on one test set."""

    form: Form
    dataset: str
    psnr: float = Field(description="dB, the budget's protocol")


class Budget(Record):
    """What is equal for every row; a record holds rows of one budget."""

    steps: int = Field(description="of training in floating point")
    tuning_steps: int = Field(description="after those, in floating point and in simulated 8 bits")
    batch: int
    patch: int = Field(description="LR pixels")
    learning_rate: float
    tuning_rate: float
    corpus: str
    corpus_sha256: str
    sets: dict[str, int] = Field(description="test sets and their numbers of pictures")
    protocol: str
    tile: int
    target: str

    @property
    def words(self) -> str:
        """The budget in a sentence's part."""
        return (
            f"{self.steps:,} steps of {self.batch} patches of {self.patch}², rate {self.learning_rate:g}; "
            f"then {self.tuning_steps:,} at {self.tuning_rate:g}, in floating point and in 8 bits"
        )


class Row(Record):
    """One network: how it was made, and what its three packages reach."""

    name: str
    size: str
    identity: bool = Field(description="identity initialisation")
    relu1: bool = Field(description="ReLU1, else ReLU")
    scores: list[Measured]
    bytes: dict[Form, int]
    seconds: float = Field(description="of its trainings")
    git_commit: str | None

    def mean(self, form: Form, dataset: str) -> float:
        """PSNR (dB) of a package on a test set."""
        return next(one.psnr for one in self.scores if (one.form, one.dataset) == (form, dataset))


class Quantization(Record):
    """The rows of one budget."""

    provenance: Provenance
    budget: Budget
    rows: list[Row]


def save(record: Quantization, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Quantization:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    try:
        return Quantization.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        fix = "make it with: pipersr-build bench quantization"
        raise InputError("no such record", where=path, fix=fix) from error
    except ValidationError as error:
        what = f"the record does not follow the schema: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix="move it away to start anew") from error


def table(record: Quantization) -> str:
    """The record as Markdown: a row for each network and test set, and what 8 bits cost it."""
    lines = [
        "| QuickSRNet | identity | activation | test set | fp16 | PTQ | lost | QAT | lost |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in record.rows:
        for dataset in record.budget.sets:
            fp16, ptq, qat = (row.mean(form, dataset) for form in FORMS)
            identity, activation = ("yes" if row.identity else "no"), ("ReLU1" if row.relu1 else "ReLU")
            lines.append(
                f"| {row.size} | {identity} | {activation} | {dataset} | {fp16:.3f} "
                f"| {ptq:.3f} | {ptq - fp16:+.3f} | {qat:.3f} | {qat - fp16:+.3f} |"
            )
    return "\n".join([*lines, "", *_conclusions(record), _conditions(record)])


def _conclusions(record: Quantization) -> list[str]:
    """For every size and form which networks lose least, in order, over all test sets."""
    lines = []
    for size in dict.fromkeys(row.size for row in record.rows):
        for form in ("ptq", "qat"):
            lost = {row.name: _lost(row, form, record.budget) for row in record.rows if row.size == size}
            order = sorted(lost, key=lambda name: -lost[name])
            shown = ", ".join(f"{name} ({lost[name]:+.3f})" for name in order)
            lines.append(f"{form.upper()}, least lost first: {shown}.")
    return [*lines, ""]


def _lost(row: Row, form: Form, budget: Budget) -> float:
    """Mean over test sets of what the package loses against fp16 (dB, negative)."""
    differences = [row.mean(form, one) - row.mean("fp16", one) for one in budget.sets]
    return sum(differences) / len(differences)


def _conditions(record: Quantization) -> str:
    budget, where, made = record.budget, record.provenance, (record.provenance.git_commit or "unknown")[:10]
    return (
        f"PTQ: {FORMS['ptq']}. QAT: {FORMS['qat']}. "
        f"PSNR in dB, {budget.protocol}, of image packages read back from disk, tiles of {budget.tile}². "
        f"Budget: {budget.words}; corpus `{budget.corpus}`. {where.created[:10]}, {where.machine.processor}, "
        f"torch {where.torch}, coremltools {where.coremltools}, commit {made}."
    )
