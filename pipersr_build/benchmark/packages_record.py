"""The record of `bench packages`: what a person gets from the packages, on one machine."""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record

FILE = "packages.json"


class Times(Record):
    """Milliseconds of one picture or frame, from 8-bit RGB to 8-bit RGB; percentiles by nearest rank.

    Of fewer than 100 iterations the 99th percentile is the slowest, of fewer than 10 the 90th too.
    """

    minimum: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """The percentiles of at least one time."""
        ordered = sorted(1e3 * each for each in seconds)
        p50, p90, p99 = (round(ordered[math.ceil(q * len(ordered) / 100) - 1], 4) for q in (50, 90, 99))
        return cls(minimum=round(ordered[0], 4), p50=p50, p90=p90, p99=p99)


class Load(Record):
    """Seconds until a package can be used: opened, loaded and its first picture made.

    `cold` is the first load of a process that was started for it, after its imports; `warm` is a second load
    in the same process. What the system keeps from earlier processes stays: files in memory, and on a Mac
    what Core ML has compiled before.
    """

    process: float = Field(description="start, imports and end of the process, without the loads")
    cold: float
    cold_first: float = Field(description="of `cold`, the first picture or frame")
    warm: float
    warm_first: float


class Row(Record):
    """One configuration on one engine."""

    configuration: str
    engine: str = Field(description="what ran the package: the back end's name")
    package: str
    package_sha256: str
    input: str = Field(description="WxH in LR pixels")
    tiles: int = Field(description="runs of the package for one picture; 1: the whole of it")
    warm_up: int
    iterations: int
    times: Times
    stages: dict[str, float] = Field(description="mean milliseconds of a picture in each stage")
    per_second: float = Field(description="pictures a second one by one; frames a second in the pipeline")
    load: Load

    @property
    def key(self) -> tuple[str, str, str]:
        """What must be equal for two rows to be compared."""
        return self.configuration, self.engine, self.input


class NotMeasured(Record):
    """An engine that this machine does not have, and the command that measures it where it is."""

    engine: str
    command: str


class Packages(Record):
    """The rows of one run."""

    provenance: Provenance
    threads: int = Field(description="that the interpreter computed with")
    load_average: float | None = Field(description="other work at the start: processes that were running")
    rows: list[Row]
    not_measured: list[NotMeasured]


def save(record: Packages, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Packages:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    try:
        return Packages.model_validate_json(path.read_bytes())
    except OSError as error:
        what = f"the record cannot be read: {error.strerror}"
        fix = f"make one with `pipersr-build bench` and copy runs/bench/{FILE}"
        raise InputError(what, where=path, fix=fix) from error
    except ValidationError as error:
        what = f"this is no record of `bench packages`: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix="make it again with: pipersr-build bench") from error


def table(record: Packages) -> str:
    """The record as Markdown: times, stages and loads of each row, then what was not measured."""
    lines = [
        "| configuration | engine | median | p90 | p99 | least | a second | stages, ms | load cold / warm |",
        "|---|---|---:|---:|---:|---:|---:|---|---:|",
        *map(_line, record.rows),
    ]
    if record.not_measured:
        engines = "; ".join(one.engine for one in record.not_measured)
        lines += ["", f"Not measured: {engines}. On a Mac: `{record.not_measured[0].command}`."]
    return "\n".join([*lines, "", _conditions(record)])


def _line(row: Row) -> str:
    times = (row.times.p50, row.times.p90, row.times.p99, row.times.minimum)
    stages = ", ".join(f"{name} {value:.1f}" for name, value in row.stages.items())
    cells = [
        f"{row.configuration}, {row.input}" + (f" in {row.tiles} tiles" if row.tiles > 1 else ""),
        row.engine,
        *(f"{value:.1f} ms" for value in times),
        f"{row.per_second:.2f}",
        stages,
        f"{row.load.cold:.2f} / {row.load.warm:.2f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _conditions(record: Packages) -> str:
    made, counts = record.provenance, sorted({(row.iterations, row.warm_up) for row in record.rows})
    often = " or ".join(f"{iterations} iterations after {warm_up}" for iterations, warm_up in counts)
    busy = "" if record.load_average is None else f", load {record.load_average:.1f} at the start"
    return (
        f"{often} to warm up, percentiles by nearest rank. {made.created[:10]}, {made.machine.processor}, "
        f"{made.machine.cores} cores, {record.threads} threads{busy}, {made.machine.system}; torch "
        f"{made.torch}, coremltools {made.coremltools}, commit {(made.git_commit or 'unknown')[:10]}."
    )
