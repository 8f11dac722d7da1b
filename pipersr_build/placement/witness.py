"""Prediction and measurement of one function side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence import OperationPlacement, Placement, PlacementVerdict
from pipersr_build.placement.quantities import COMPILE_TIME

ALIKE: tuple[frozenset[PlacementVerdict], ...] = (
    frozenset({"tie", "ane"}),  # of two answers that cost the same Core ML takes either
    frozenset({"tie", "soft"}),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: the two verdicts, and whether they agree.

    `agree` is None where one of them is missing or unknown: then there is nothing to compare. An
    operation that Core ML inserted has no prediction; one that it folded has no measurement.
    """

    output_name: str
    operator: str
    predicted: PlacementVerdict | None
    measured: PlacementVerdict | None
    agree: bool | None


def compare(predicted: Placement, measured: Placement) -> list[Row]:
    """Join two placements of one function by output name, in the measured order.

    Operations that only the prediction has follow at the end, those known at compile time left out.
    """
    ours = {op.output_name: op for op in predicted.operations}
    theirs = {op.output_name: op for op in measured.operations}
    names = [*theirs, *(name for name, op in ours.items() if name not in theirs and _runs(op))]
    return [_row(ours.get(name), theirs.get(name)) for name in names]


def disagreements(rows: Sequence[Row]) -> int:
    """How many operations the two judge differently."""
    return sum(row.agree is False for row in rows)


def agree(predicted: PlacementVerdict, measured: PlacementVerdict) -> bool | None:
    """Whether two verdicts agree; None if one of them is unknown."""
    if "unknown" in (predicted, measured):
        return None
    return predicted == measured or {predicted, measured} in ALIKE


def _runs(op: OperationPlacement) -> bool:
    return not op.operator.startswith(COMPILE_TIME)


def _row(predicted: OperationPlacement | None, measured: OperationPlacement | None) -> Row:
    one = measured or predicted
    if one is None:
        raise AssertionError("a name of neither placement")
    both = predicted is not None and measured is not None
    return Row(
        output_name=one.output_name,
        operator=one.operator,
        predicted=None if predicted is None else predicted.verdict,
        measured=None if measured is None else measured.verdict,
        agree=agree(predicted.verdict, measured.verdict) if both and predicted and measured else None,
    )
