from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement.gate import plan_gate, prediction_gate, residency, share

Verdict = Literal["yes", "no", "unknown"]


def placement(*verdicts: Verdict) -> Placement:
    operations = [
        OperationPlacement(output_name=f"v{i}", operator="conv", verdict=v, reasons=[f"why {i}"], sources=[])
        for i, v in enumerate(verdicts)
    ]
    return Placement(source="predicted", basis="rules", operations=operations)


@pytest.mark.parametrize(
    ("verdicts", "value", "verdict"),
    [
        (("yes", "yes"), 1.0, "pass"),
        (("yes", "unknown"), None, "unknown"),
        (("yes", "no"), 0.5, "fail"),
        (("yes", "yes", "no", "unknown"), 0.5, "fail"),
        ((), None, "unknown"),
    ],
)
def test_unknown_is_never_rounded(verdicts: tuple[Verdict, ...], value: float | None, verdict: str) -> None:
    gate = prediction_gate(placement(*verdicts), "net.mlpackage")
    assert (gate.value, gate.verdict) == (value, verdict)
    assert (gate.name, gate.threshold, gate.unit) == (
        "ANE can run all operations",
        1.0,
        "share",
    )
    assert (gate.source, gate.command) == ("predicted", "pipersr-build verify net.mlpackage")


def test_the_note_names_the_first_obstacle() -> None:
    gate = prediction_gate(placement("yes", "unknown", "no"), "net.mlpackage")
    assert gate.note == "1 yes, 1 no, 1 unknown; first no: conv 'v2': why 2"


def test_a_plan_that_was_not_read_is_not_measured() -> None:
    gate = plan_gate(None, "net.mlpackage")
    assert (gate.value, gate.verdict, gate.source) == (None, "not measured", "not measured")
    assert gate.name == "ANE residency, compute plan"
    assert gate.command == "pipersr-build verify net.mlpackage"
    assert "macOS 14.4" in gate.note


def test_a_plan_that_was_read_is_measured() -> None:
    assert plan_gate(placement("yes", "yes"), "net.mlpackage").verdict == "pass"
    gate = plan_gate(placement("yes", "no"), "net.mlpackage")
    assert (gate.value, gate.verdict, gate.source) == (0.5, "fail", "measured")


@given(st.lists(st.sampled_from(["yes", "no", "unknown"]), max_size=20))
def test_the_share_is_one_only_if_every_operation_is_a_yes(verdicts: list[Verdict]) -> None:
    made = placement(*verdicts)
    assert sum(residency(made)) == len(verdicts)
    assert (share(made) == 1.0) == (bool(verdicts) and set(verdicts) == {"yes"})
    assert share(made) is None or 0 <= share(made) <= 1
