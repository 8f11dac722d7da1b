"""Prediction beside measurement."""

import pytest

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement.witness import agree, compare, disagreements


def placement(**verdicts):
    operations = [
        OperationPlacement(
            output_name=name,
            operator="constexpr_cast" if name.startswith("w") else "relu",
            supported=["cpu"],
            preferred=None,
            verdict=verdict,
            reasons=[],
        )
        for name, verdict in verdicts.items()
    ]
    return Placement(source="predicted", basis="", operations=operations)


def test_operations_are_joined_by_output_name_in_the_measured_order():
    rows = compare(placement(a="ane", b="ane", c="hard"), placement(c="hard", a="soft"))
    told = [(row.output_name, row.predicted, row.measured, row.agree) for row in rows]
    assert told == [("c", "hard", "hard", True), ("a", "ane", "soft", False), ("b", "ane", None, None)]
    assert disagreements(rows) == 1


def test_inserted_operations_have_no_prediction_and_compile_time_ones_no_row():
    rows = compare(placement(w="unknown", a="ane"), placement(a_cast="hard", a="ane"))
    assert [(row.output_name, row.predicted, row.agree) for row in rows] == [
        ("a_cast", None, None),
        ("a", "ane", True),
    ]


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [
        ("tie", "ane", True),
        ("tie", "soft", True),
        ("tie", "hard", False),
        ("soft", "tie", True),
        ("soft", "ane", False),
        ("dynamic", "dynamic", True),
        ("unknown", "ane", None),
        ("ane", "unknown", None),
    ],
)
def test_a_tie_agrees_with_either_choice_and_unknown_with_nothing(predicted, measured, expected):
    assert agree(predicted, measured) is expected
