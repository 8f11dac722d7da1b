from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.evidence import RESIDENT, OperationPlacement, Placement, PlacementVerdict, Source
from pipersr_build.placement.gate import plan_gate, prediction_gates, share, will

CAN = {"ane", "soft", "tie"}


def placement(*verdicts: PlacementVerdict, source: Source = "predicted") -> Placement:
    operations = [
        OperationPlacement(
            output_name=f"v{i}",
            operator="conv",
            supported=["ane", "cpu"] if v in CAN else ["cpu"],
            preferred=None,
            verdict=v,
            reasons=[f"why {i}"],
        )
        for i, v in enumerate(verdicts)
    ]
    return Placement(source=source, basis="rules", operations=operations)


@pytest.mark.parametrize(
    ("verdicts", "can", "will"),
    [
        (("ane", "ane"), (1.0, "pass"), (1.0, "pass")),
        (("ane", "tie"), (1.0, "pass"), (1.0, "pass")),
        (("ane", "soft"), (1.0, "pass"), (0.5, "fail")),
        (("ane", "unknown"), (None, "unknown"), (None, "unknown")),
        (("dynamic", "dynamic"), (None, "unknown"), (None, "unknown")),
        (("ane", "hard"), (0.5, "fail"), (0.5, "fail")),
        (("ane", "soft", "hard", "unknown"), (0.5, "fail"), (0.25, "fail")),
        ((), (None, "unknown"), (None, "unknown")),
    ],
)
def test_unknown_is_never_rounded(
    verdicts: tuple[PlacementVerdict, ...], can: tuple[float, str], will: tuple[float, str]
) -> None:
    gates = prediction_gates(placement(*verdicts), "net.mlpackage")
    assert [(gate.value, gate.verdict) for gate in gates] == [can, will]
    assert [gate.name for gate in gates] == ["ANE can run all operations", "ANE residency, simulated"]
    assert {(g.source, g.command, g.threshold, g.unit) for g in gates} == {
        ("predicted", "pipersr-build verify net.mlpackage", 1.0, "share")
    }


def test_what_core_ml_will_do_can_be_left_out() -> None:
    assert [g.verdict for g in prediction_gates(placement("soft"), "net", require="can")] == ["pass"]


def test_the_note_names_the_first_obstacle() -> None:
    gate = prediction_gates(placement("ane", "unknown", "hard"), "net.mlpackage")[0]
    assert gate.note == "1 yes, 1 no, 1 unknown; first no: conv 'v2': why 2"


def test_a_plan_that_was_not_read_is_not_measured() -> None:
    gate = plan_gate(None, "net.mlpackage")
    assert (gate.value, gate.verdict, gate.source) == (None, "not measured", "not measured")
    assert gate.name == "ANE residency, compute plan"
    assert gate.command == "pipersr-build verify net.mlpackage"
    assert "macOS 14.4" in gate.note


def test_a_plan_that_was_read_is_measured() -> None:
    assert plan_gate(placement("ane", "tie", source="measured"), "net.mlpackage").verdict == "pass"
    gate = plan_gate(placement("ane", "soft", source="measured"), "net.mlpackage")
    assert (gate.value, gate.verdict, gate.source) == (0.5, "fail", "measured")


@given(st.lists(st.sampled_from(get_args(PlacementVerdict)), max_size=20))
def test_the_share_is_one_only_if_every_operation_is_resident(verdicts: list[PlacementVerdict]) -> None:
    found = share([will(operation) for operation in placement(*verdicts).operations])
    assert (found == 1.0) == (bool(verdicts) and RESIDENT.issuperset(verdicts))
    assert found is None or 0 <= found <= 1
