"""The record of `bench comparison`: networks that were trained alike, and their table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record
from pipersr_build.report.compare_plot import compare_plot, dataset_of
from pipersr_build.report.compare_record import SETS, Row, Score

SHIPPED = Path(__file__).parent / "records" / "comparison.json"
COMMAND = "pipersr-build bench comparison data.folder=PATH evaluation.folder=PATH"


class Pilot(Record):
    """A short run that a learning rate was tried in; no PSNR (held-out pictures, dB) where it diverged."""

    rate: float
    psnr: float | None
    seconds: float | None


class Trained(Record):
    """One network of the comparison, trained and measured."""

    row: Row = Field(description="its package of a locked frame, with what the image package measured")
    model: dict[str, Any]
    rate: float
    pilots: list[Pilot]
    seconds: float = Field(description="that the training took on this machine")
    chosen_step: int
    held_out: float | None = Field(description="PSNR of the corpus' held-out pictures, dB")
    weights_sha256: str
    package_sha256: str = Field(description="of the image package that was measured")
    git_commit: str | None


class Budget(Record):
    """What every network gets, and what it is measured on: rows of one record agree in all of it."""

    steps: int
    batch: int
    patch: int = Field(description="LR pixels")
    pilot_steps: int
    rates: list[float]
    settings: dict[str, Any] = Field(description="of the training, without learning rate")
    corpus: str
    corpus_sha256: str
    protocol: str
    sets: dict[str, int] = Field(description="test sets and how many pictures each has")
    frame: str
    target: str
    chip: str

    @property
    def words(self) -> str:
        """The budget as a title says it."""
        samples, pixels = self.steps * self.batch, self.steps * self.batch * self.patch**2 / 1e6
        return (
            f"{self.steps:,} steps of {self.batch} patches of {self.patch}x{self.patch} LR pixels for every "
            f"network ({samples:,} patches, {pixels:,.3g} million LR pixels)"
        )


class EqualBudget(Record):
    """All rows of one comparison."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    budget: Budget
    bicubic: list[Score]
    rows: list[Trained]


def save(record: EqualBudget, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> EqualBudget:
    """Read a record.

    Raises:
        InputError: it is not one.
    """
    try:
        return EqualBudget.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"not a comparison's record: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix="move it away to start anew") from error


def not_measured() -> str:
    """What stands in place of the table as long as there is no record."""
    return f"Networks trained alike: not measured. To measure it: `{COMMAND}`"


def title(record: EqualBudget) -> str:
    """The table's title, with the budget."""
    return f"Trained alike: {record.budget.words}"


def plot(record: EqualBudget) -> str:
    """PSNR against predicted latency, as SVG; the budget is in the title."""
    rows, protocol = [one.row for one in record.rows], record.budget.protocol
    plain = _find(record.bicubic, dataset_of(rows, protocol), protocol)
    return compare_plot(
        rows,
        protocol=protocol,
        chip=record.budget.chip,
        frame=record.budget.frame,
        title=title(record),
        bicubic=plain.psnr if plain is not None else None,
    )


def table(record: EqualBudget) -> str:
    """The rows as Markdown, the budget in the title; dB as measured, and in brackets as published."""
    chip, sets = record.budget.chip, [name for name in SETS if name in record.budget.sets]
    sets += [name for name in record.budget.sets if name not in sets]
    head = ["network", "parameters", "GFLOP", f"{chip}, predicted ms (band)", *sets, "rate", "training"]
    lines = [
        f"**{title(record)}**", "", f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|",
        _bicubic(record, sets, len(head)), *(_line(one, record, sets) for one in record.rows),
        "", _conditions(record),
    ]  # fmt: skip
    return "\n".join(lines)


def _bicubic(record: EqualBudget, sets: Sequence[str], columns: int) -> str:
    cells = [_decibels(_find(record.bicubic, name, record.budget.protocol), None) for name in sets]
    return f"| {' | '.join(['bicubic', '–', '–', '–', *cells, *['–'] * (columns - 4 - len(cells))])} |"


def _find(scores: Sequence[Score], dataset: str, protocol: str) -> Score | None:
    return next((s for s in scores if (s.dataset, s.protocol) == (dataset, protocol)), None)


def _line(one: Trained, record: EqualBudget, sets: Sequence[str]) -> str:
    row = one.row
    counts = _number(row.parameters, "{:,}".format), _number(row.gflop, "{:,.4g}".format)
    cells = [row.name, *counts, _band(row)]
    for name in sets:
        known = row.known(name, record.budget.protocol)
        cells.append(_decibels(row.score(name, record.budget.protocol), known.psnr if known else None))
    return f"| {' | '.join([*cells, f'{one.rate:g}', f'{one.seconds / 60:,.1f} min'])} |"


def _number(value: Any, words: Callable[[Any], str]) -> str:
    return "no package" if value is None else words(value)


def _band(row: Row) -> str:
    found = row.latency
    if found is None or found.expected is None:
        return "no package" if row.error else "not known"
    mark = {True: "", False: ", not all ANE", None: ", placement not known"}[found.resident]
    return f"{found.expected:.3g} ({found.low:.3g} to {found.high:.3g}){mark}"


def _decibels(score: Score | None, published: float | None) -> str:
    known = f" ({published:.2f})" if published is not None else ""
    return (f"{score.psnr:.3f}" if score is not None else "not measured") + known


def _conditions(record: EqualBudget) -> str:
    budget, where = record.budget, record.provenance
    rates = ", ".join(f"{rate:g}" for rate in budget.rates)
    return (
        f"PSNR in dB ({budget.protocol}) of the 8-bit image package read back from disk; in brackets what "
        f"others published after a full training. Latency of a {budget.frame} frame, predicted. The same "
        f"patches in the same order for all; of the rates {rates} each network has the one that was best on "
        f"the held-out pictures after {budget.pilot_steps:,} steps. Corpus `{budget.corpus}` "
        f"(`{budget.corpus_sha256[:16]}`). {where.created[:10]}, {where.machine.processor}, "
        f"{where.machine.cores} cores, torch {where.torch}; commit {(where.git_commit or 'unknown')[:10]}."
    )
