"""Whatever a package says, a check ends with a verdict and a reason for every operation."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from placement_programs import const, function, operation

from pipersr_build.mil.graph import Function, TensorType
from pipersr_build.placement import rules
from pipersr_build.placement.predict import predict_function

NAMES = [
    "x",
    "weight",
    "bias",
    "strides",
    "stride",
    "pad",
    "mode",
    "axis",
    "kernel_sizes",
    "indices",
    "begin",
    "lut",
]
OPERATORS = sorted({name for rule in rules.load().rule for name in rule.operations})
EXTENTS = st.one_of(st.none(), st.sampled_from([0, 1, 3, 64, 65537]))
TYPES = st.builds(
    TensorType,
    st.sampled_from(["fp16", "fp32", "int32", "bool", "string", "listType"]),
    st.tuples(EXTENTS, EXTENTS),
)
CONSTANTS = st.sampled_from(
    [const(1), const([2, 2]), const(0.5), const("same"), const([], "int32"), const([True])]
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(CONSTANTS, st.sampled_from(["in", "v0", "nowhere"]))
)


@st.composite
def programs(draw: st.DrawFn) -> Function:
    count = draw(st.integers(1, 3))
    made: list[Any] = [
        operation(draw(st.sampled_from(OPERATORS)), draw(TYPES), f"v{i}", **draw(ARGUMENTS))
        for i in range(count)
    ]
    return function(made, **{"in": draw(TYPES)})


@settings(deadline=None, max_examples=200)
@given(program=programs(), chip=st.sampled_from(["h13", "h14", "h15", "h16", "h17", "h18"]))
def test_every_operation_gets_a_verdict_with_a_reason(program: Function, chip: str) -> None:
    placement = predict_function(program, chip=chip)
    assert len(placement.operations) == len(program.operations)
    assert all(op.reasons and all(op.reasons) for op in placement.operations)
    assert not any("{" in reason for op in placement.operations for reason in op.reasons)
