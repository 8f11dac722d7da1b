"""The gates at a glance: what was asked down, of what across."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence import Gate

_MOST_SUBJECTS = 8


@dataclass(frozen=True)
class GateMatrix:
    """A row for each gate's name with the gates of every subject; None where there is none."""

    subjects: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Gate | None, ...]], ...]


def gate_matrix(gates: Sequence[Gate]) -> GateMatrix | None:
    """The matrix; None where one would not be read easily: too wide, or two gates in one place."""
    subjects = tuple(dict.fromkeys(gate.subject for gate in gates))
    places = {(gate.name, gate.subject): gate for gate in gates}
    if not gates or len(subjects) > _MOST_SUBJECTS or len(places) < len(gates):
        return None
    names = dict.fromkeys(gate.name for gate in gates)
    return GateMatrix(
        subjects, tuple((name, tuple(places.get((name, s)) for s in subjects)) for name in names)
    )
