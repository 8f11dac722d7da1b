"""What a benchmark run leaves: figures with their limits, and where they were measured."""

from pathlib import Path

from pipersr_build import files
from pipersr_build.evidence import Direction, Provenance, Record


class Figure(Record):
    """One measured figure and the limit it is held against."""

    name: str
    value: float
    limit: float
    unit: str
    detail: str
    direction: Direction = "at most"

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value <= self.limit if self.direction == "at most" else self.value >= self.limit

    @property
    def bound(self) -> str:
        """The limit as a person writes it, for example ≤ 0.5 s."""
        return f"{'≤' if self.direction == 'at most' else '≥'} {self.limit:g} {self.unit}"


class Benchmark(Record):
    """The figures of one run."""

    provenance: Provenance
    figures: list[Figure]


def save(record: Benchmark, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Benchmark:
    """Read a record."""
    return Benchmark.model_validate_json(path.read_bytes())
