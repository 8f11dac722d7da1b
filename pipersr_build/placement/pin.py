"""A pinned placement: a snapshot of where every operation runs, and what has changed since.

It names operations, verdicts and devices and nothing of the weights, so that it survives retraining.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Device, Placement, PlacementVerdict, Record

UPDATE = "look at the differences and pin anew with --pin-update"


class PinnedOperation(Record):
    """Where one operation runs."""

    output_name: str
    operator: str
    verdict: PlacementVerdict
    preferred: Device | None

    def __str__(self) -> str:
        return f"{self.operator} {self.output_name!r}"


Functions = dict[str, list[PinnedOperation]]


class Pin(Record):
    """The snapshot: by package and function, operations in program order.

    `chip` is what a prediction is for, in words; empty for a measurement, which is of the machine's own.
    """

    format: Literal[1] = 1
    source: Literal["predicted", "measured"]
    chip: str
    packages: dict[str, Functions]


def snapshot(packages: Mapping[str, Sequence[Placement]], chip: str) -> Pin:
    """The pin of some packages' placements, by name; measured only if all of them are.

    Raises:
        InputError: some placements are measured and some predicted.
    """
    sources = {placement.source for placements in packages.values() for placement in placements}
    if len(sources) > 1:
        raise InputError(
            "some placements are measured and some predicted, which cannot be pinned together",
            fix="add --predicted, or see above why some could not be measured",
        )
    source: Literal["predicted", "measured"] = "measured" if sources == {"measured"} else "predicted"
    found = {name: {p.function: _pinned(p) for p in placements} for name, placements in packages.items()}
    return Pin(source=source, chip=chip if source == "predicted" else "", packages=found)


def _pinned(placement: Placement) -> list[PinnedOperation]:
    return [
        PinnedOperation(
            output_name=op.output_name, operator=op.operator, verdict=op.verdict, preferred=op.preferred
        )
        for op in placement.operations
    ]


def load(path: Path) -> Pin:
    """Read a pin.

    Raises:
        InputError: it cannot be read or is none.
    """
    try:
        return Pin.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"the pin cannot be read: {error.strerror}", where=path, fix="check it") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(file)"
        what = f"the file is no pinned placement: {key}: {first['msg']}"
        raise InputError(what, where=path, fix="name the file that --pin wrote, or another") from error


def save(pin: Pin, path: Path) -> None:
    """Write a pin, atomically."""
    files.write_text(path, pin.model_dump_json(indent=1) + "\n")


def changes(before: Pin, now: Pin, path: Path) -> list[str]:
    """What differs, a line for each difference; none where all is as it was.

    Raises:
        InputError: they cannot be compared: a prediction with a measurement, or with one for another chip.
    """
    if before.source != now.source:
        fix = "add --predicted" if now.source == "measured" else "verify on a Mac, where it was pinned"
        what = f"the pin was {before.source} and this is {now.source}: they cannot be compared"
        raise InputError(what, where=path, fix=f"{fix}; or {UPDATE}")
    if before.chip != now.chip:
        what = f"the pin is for {before.chip} and this is for {now.chip}: they cannot be compared"
        raise InputError(what, where=path, fix=f"set placement.chip as it was pinned; or {UPDATE}")
    lines = []
    for name in before.packages | now.packages:
        old, new = before.packages.get(name), now.packages.get(name)
        if old is None or new is None:
            lines.append(f"{name}: {'was not pinned' if old is None else 'is pinned and was not verified'}")
        else:
            lines += _functions(name, old, new)
    return lines


def _functions(package: str, before: Functions, now: Functions) -> list[str]:
    lines = []
    for name in before | now:
        where = f"{package}, function {name}"
        if name not in now or name not in before:
            lines.append(f"{where}: {'added' if name in now else 'removed'}")
        else:
            lines += [f"{where}: {line}" for line in _operations(before[name], now[name])]
    return lines


def _operations(before: Sequence[PinnedOperation], now: Sequence[PinnedOperation]) -> list[str]:
    old, new = _numbered(before), _numbered(now)
    lines = [f"{op} was removed ({_told(op)})" for key, op in old.items() if key not in new]
    lines += [f"{op} was added ({_told(op)})" for key, op in new.items() if key not in old]
    for key, op in new.items():
        was = old.get(key)
        if was is not None and was != op:
            kind = f", {was.operator} before," if was.operator != op.operator else ""
            lines.append(f"{op}{kind} went from {_told(was)} to {_told(op)}")
    return lines


def _numbered(operations: Sequence[PinnedOperation]) -> dict[tuple[str, int], PinnedOperation]:
    """Operations by name; where a name occurs again (in another block), by its occurrence."""
    seen: dict[str, int] = {}
    found = {}
    for op in operations:
        seen[op.output_name] = seen.get(op.output_name, 0) + 1
        found[op.output_name, seen[op.output_name]] = op
    return found


def _told(op: PinnedOperation) -> str:
    return f"{op.verdict}, on {op.preferred}" if op.preferred else op.verdict
