"""Holding the times of packages against an earlier record of the same kind of machine."""

from dataclasses import dataclass
from pathlib import Path

from pipersr_build.benchmark.packages_record import Packages, Row, load
from pipersr_build.errors import InputError
from pipersr_build.evidence import Machine


@dataclass(frozen=True)
class Comparison:
    """A row beside the pinned one.

    Attributes:
        row: what was measured now.
        pinned: what was measured before.
        tolerance: by which share more time is still the same.
    """

    row: Row
    pinned: Row
    tolerance: float

    @property
    def ratio(self) -> float:
        """Median time now / before."""
        return self.row.times.p50 / self.pinned.times.p50

    @property
    def holds(self) -> bool:
        """Whether it is not slower than the tolerance allows."""
        return self.ratio <= 1 + self.tolerance

    @property
    def same_package(self) -> bool:
        """Whether the package is the same, byte for byte."""
        return self.row.package_sha256 == self.pinned.package_sha256


def open_pin(path: Path, here: Machine, target: Path) -> Packages:
    """Read the pinned record, before anything is measured.

    Args:
        path: the record.
        here: this machine.
        target: where the new record goes.

    Raises:
        InputError: it cannot be read, is of another kind of machine, or is where the new record goes: then
            each run would be held against the one before, and slow down unseen, step by step.
    """
    if path.resolve() == target.resolve():
        fix = f"copy it: cp {target} bench_pin.json, then bench.pin=bench_pin.json"
        raise InputError("the pinned record would be replaced by the new one", where=path, fix=fix)
    pinned = load(path)
    there, mine = kind(pinned.provenance.machine), kind(here)
    if there != mine:
        what = f"the pinned record is of another machine: {there}; this one is {mine}"
        raise InputError(what, where=path, fix="compare records of the same kind of machine")
    return pinned


def kind(machine: Machine) -> str:
    """What must be equal for times to be compared: processor, cores, architecture, operating system."""
    system = machine.system.partition(" ")[0]
    return f"{machine.processor}, {machine.cores} cores, {machine.architecture}, {system}"


def compare(now: Packages, pinned: Packages, tolerance: float) -> list[Comparison]:
    """The rows that both records have, in the order of `now`.

    Raises:
        InputError: they have none in common.
    """
    before = {row.key: row for row in pinned.rows}
    found = [Comparison(row, before[row.key], tolerance) for row in now.rows if row.key in before]
    if not found:
        fix = "measure the same sizes on the same engines, or pin anew"
        raise InputError("nothing that was measured is in the pinned record", fix=fix)
    return found


def missing(now: Packages, pinned: Packages) -> list[str]:
    """What only one of the records has, in words."""
    mine, theirs = ({", ".join(row.key) for row in record.rows} for record in (now, pinned))
    return [
        *(f"not in the pinned record: {name}" for name in sorted(mine - theirs)),
        *(f"only in the pinned record: {name}" for name in sorted(theirs - mine)),
    ]


def table(comparisons: list[Comparison]) -> str:
    """The ratios as Markdown."""
    lines = ["| configuration | engine | now | pinned | ratio | limit | verdict |",
             "|---|---|---:|---:|---:|---:|---|"]  # fmt: skip
    for each in comparisons:
        verdict = "pass" if each.holds else "fail: slower"
        if not each.same_package:
            verdict += " (another package)"
        lines.append(
            f"| {each.row.configuration} | {each.row.engine} | {each.row.times.p50:.1f} ms | "
            f"{each.pinned.times.p50:.1f} ms | {each.ratio:.3f} | {1 + each.tolerance:.3f} | {verdict} |"
        )
    return "\n".join(lines)
