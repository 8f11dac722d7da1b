"""The joined prediction: verdicts, reasons, estimates."""

from itertools import pairwise

import pytest
from placement_programs import const, conv, function, one, operation, super_resolution, tensor, weight

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.mil.graph import Function, Operation
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.placement.predict import predict_function

SIDE = 128
X = tensor(1, 64, SIDE, SIDE)


def convs(count: int, x: str, prefix: str = "c") -> list[Operation]:
    """A chain of 3×3 convolutions, 1.2 GFLOP each."""
    given = {"weight": weight(64, 64, 3, 3), "bias": weight(64)}
    names = [x, *(f"{prefix}{i}" for i in range(count))]
    return [operation("conv", X, b, x=a, **given) for a, b in pairwise(names)]


def by_name(placement: Placement) -> dict[str, OperationPlacement]:
    return {op.output_name: op for op in placement.operations}


def verdicts(program: Function, **more: object) -> list[str]:
    return [op.verdict for op in predict_function(program, **more).operations]  # type: ignore[arg-type]


def test_a_network_that_is_worth_the_engine_runs_there() -> None:
    placement = predict_function(function(convs(3, "x"), x=X))
    assert [op.verdict for op in placement.operations] == ["ane"] * 3
    assert all(op.supported == ["ane", "cpu"] and op.preferred == "ane" for op in placement.operations)
    totals = placement.totals
    assert totals is not None
    assert totals.expected == totals.engine < totals.cpu
    shares = [op.estimates.share for op in placement.operations if op.estimates]
    assert shares == pytest.approx([1 / 3] * 3)
    assert (placement.source, placement.function) == ("predicted", "main")


def test_a_network_that_is_too_small_stays_on_the_cpu_and_the_reason_gives_both_totals() -> None:
    placement = predict_function(super_resolution_at(16))
    assert {op.verdict for op in placement.operations} == {"soft"}
    assert {op.preferred for op in placement.operations} == {"cpu"}
    assert all("ms with it on the CPU against" in op.reasons[0] for op in placement.operations)


def super_resolution_at(side: int) -> Function:
    small = tensor(1, 8, side, side)
    return function(
        [operation("conv", small, "c", x="x", weight=weight(8, 8, 3, 3)), operation("silu", small, x="c")],
        x=small,
    )


def test_a_trailing_relu_is_a_tie() -> None:
    placement = predict_function(function([*convs(3, "x"), operation("relu", X, x="c2")], x=X))
    last = placement.operations[-1]
    assert (last.verdict, last.preferred) == ("tie", "ane")
    assert "exactly as much" in last.reasons[0]


def test_a_refused_operation_splits_the_program() -> None:
    middle = operation("atanh", X, "t", x="a2")
    program = function([*convs(3, "x", "a"), middle, *convs(3, "t", "b")], x=X)
    found = by_name(predict_function(program))
    assert (found["t"].verdict, found["t"].supported, found["t"].preferred) == ("hard", ["cpu"], "cpu")
    assert [found[n].verdict for n in ("a0", "a2", "b0", "b2")] == ["ane"] * 4


def test_branches_are_segmented_together() -> None:
    """Neither branch alone pays for the engine next to a refused operation; both together do."""
    left, right = convs(1, "x", "l"), convs(1, "x", "r")
    joined = operation("add", X, "sum", x="l0", y="r0")
    assert verdicts(function([*left, *right, joined], x=X)) == ["ane", "ane", "ane"]


def test_next_to_unknown_operations_the_choice_can_be_unknown() -> None:
    """The convolution pays only if the unknown operation, which the CPU does slowly, is on the engine too."""
    x = tensor(1, 64, 40, 40)
    given = {"weight": weight(64, 64, 3, 3), "bias": weight(64)}
    conv_ = operation("conv", x, "c", x="x", **given)
    found = by_name(predict_function(function([conv_, operation("from_the_future", x, "f", x="c")], x=x)))
    assert found["f"].verdict == "unknown"
    assert found["f"].preferred is None
    assert found["c"].verdict in ("soft", "unknown")


def test_a_chip_whose_estimates_nobody_knows_gets_no_choice() -> None:
    placement = predict_function(function(convs(3, "x"), x=X), chip="h15")
    assert {op.verdict for op in placement.operations} == {"unknown"}
    assert {op.preferred for op in placement.operations} == {None}
    assert placement.totals is None
    assert "not known" in placement.basis


@pytest.mark.parametrize("kind", ["slice_by_size", "slice_by_index"])
def test_a_start_that_is_computed_at_run_time_takes_the_whole_program_off_the_path(kind: str) -> None:
    slice_ = operation(kind, X, "s", x="c2", begin="b", size=const([1, 64, SIDE, SIDE]))
    program = function([*convs(3, "x"), slice_], x=X, b=tensor(4, dtype="int32"))
    placement = predict_function(program)
    assert {op.verdict for op in placement.operations} == {"dynamic"}
    assert placement.totals is None


def test_flexible_sizes_are_dynamic() -> None:
    """And nothing is estimated for them."""
    interface = Interface((Feature("x", "tensor", "fp16", (1, 64, SIDE, SIDE), "", flexible=True),), ())
    placement = predict_function(function(convs(2, "x"), x=X), interface=interface)
    assert placement.totals is None
    assert {op.estimates.share for op in placement.operations if op.estimates} == {None}
    assert set(verdicts(function(convs(2, "x"), x=X), interface=interface)) == {"dynamic"}
    unknown = tensor(1, 64, None, None)
    assert set(verdicts(one("relu", unknown, unknown))) == {"dynamic"}


def test_compressed_weights_share_the_verdict_of_the_operation_that_uses_them() -> None:
    lut = operation(
        "constexpr_lut_to_dense",
        tensor(64, 64, 3, 3),
        "w",
        indices=weight(64, 64, 3, 3, dtype="uint4"),
        lut=weight(1, 1, 1, 1, 16, 1),
    )
    first = operation("conv", X, "c", x="x", weight="w", bias=weight(64))
    found = by_name(predict_function(function([lut, first, *convs(2, "c")], x=X)))
    assert (found["w"].verdict, found["w"].preferred) == ("ane", "ane")
    assert "known when the model is compiled" in found["w"].reasons[-1]


def test_every_operation_has_its_work() -> None:
    estimates = predict_function(super_resolution()).operations[1].estimates
    assert estimates is not None
    assert estimates.flop == 2 * 3 * 9 * 64 * SIDE * SIDE
    assert estimates.ane_ms is not None
    assert estimates.cpu_ms is not None
    assert predict_function(conv()).operations[0].estimates is not None


@pytest.mark.parametrize(("chip", "verdict"), [("m1", "soft"), ("m3", "unknown")])
def test_weaker_evidence_is_shown_whatever_the_verdict(chip: str, verdict: str) -> None:
    relu = predict_function(one("relu"), chip=chip).operations[0]
    assert relu.verdict == verdict
    assert "inferred from the time of" in relu.reasons[-1]
