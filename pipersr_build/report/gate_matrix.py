"""The gates at a glance: what was asked, and of what, as rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence import Gate

_MOST_SUBJECTS, _MOST_GATES = 8, 12  # columns that a screen holds: names of packages, names of gates


@dataclass(frozen=True)
class GateMatrix:
    """The gates by name and subject; None where there is none.

    Attributes:
        corner: what the rows are.
        columns: gates' subjects; of many subjects the gates' names.
        rows: a gate's name, or a subject, each with its gates in the columns' order.
    """

    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Gate | None, ...]], ...]


def gate_matrix(gates: Sequence[Gate]) -> GateMatrix | None:
    """The matrix; None where one would not be read easily: too wide, or two gates in one place."""
    subjects = tuple(dict.fromkeys(gate.subject for gate in gates))
    names = tuple(dict.fromkeys(gate.name for gate in gates))
    places = {(gate.name, gate.subject): gate for gate in gates}
    if not gates or len(places) < len(gates):
        return None
    if len(subjects) <= _MOST_SUBJECTS:
        rows = tuple((name, tuple(places.get((name, s)) for s in subjects)) for name in names)
        return GateMatrix("gate", subjects, rows)
    if len(names) <= _MOST_GATES:
        rows = tuple((s, tuple(places.get((name, s)) for name in names)) for s in subjects)
        return GateMatrix("asked of", names, rows)
    return None
