from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placement_programs import ACTIVATION, const, function, one, operation, subject, tensor, weight

from pipersr_build.mil.graph import Function
from pipersr_build.placement.conditions import Condition, Range, mismatches, show
from pipersr_build.placement.quantities import QUANTITIES


def clauses(program: Function, **condition: Any) -> list[str]:
    return mismatches(Condition.model_validate(condition), subject(program))


RELU = one("relu")
POOL = one("avg_pool", kernel_sizes=const([3, 5]), mode=const("same"))
FLEXIBLE = one("relu", tensor(1, None), x=tensor(1, None))
HOLDS = [
    (RELU, {}),
    (RELU, {"dtypes": ["fp16"]}),
    (RELU, {"some_dtype": ["int8", "fp16"]}),
    (one("cast", tensor(1, dtype="fp32")), {"operand_dtypes": ["fp16"], "result_dtypes": ["fp32"]}),
    (RELU, {"static": True}),
    (FLEXIBLE, {"static": False}),
    (POOL, {"constant": ["kernel_sizes", "not bound"]}),
    (one("conv", weight=tensor(64, 64, 3, 3)), {"dynamic": ["weight"]}),
    (POOL, {"text": {"mode": ["valid", "same"]}}),
    (POOL, {"argument_dtypes": {"kernel_sizes": ["int32"]}}),
    (POOL, {"numbers": {"kernel": {"at_least": 3, "at_most": 5}}}),
    (POOL, {"numbers": {"kernel": {"none_of": [4]}}}),
]
FAILS = [
    (RELU, {"dtypes": ["int8"]}, "tensors are fp16 (covered: int8)"),
    (RELU, {"some_dtype": ["int8"]}, "no tensor is int8"),
    (RELU, {"static": False}, "every extent is known"),
    (FLEXIBLE, {"static": True}, "an extent is not known before run time"),
    (one("conv", weight=tensor(64, 64, 3, 3)), {"constant": ["weight"]}, "weight is computed at run time"),
    (POOL, {"dynamic": ["kernel_sizes"]}, "kernel_sizes is not computed at run time"),
    (POOL, {"text": {"mode": ["valid"]}}, "mode is same (covered: valid)"),
    (RELU, {"text": {"mode": ["valid"]}}, "mode is not given (covered: valid)"),
    (RELU, {"argument_dtypes": {"indices": ["uint16"]}}, "indices is absent (covered: uint16)"),
    (POOL, {"numbers": {"kernel": {"at_most": 4}}}, "kernel is 3×5 (covered: at most 4)"),
    (POOL, {"numbers": {"kernel": {"none_of": [4, 5]}}}, "kernel is 3×5 (covered: not 4 or 5)"),
    (RELU, {"numbers": {"kernel": {"at_most": 4}}}, "its kernel is not known before run time"),
    (RELU, {"made_by": {"x": ["conv"]}}, "x does not come from conv"),
]


@pytest.mark.parametrize(("program", "condition"), HOLDS, ids=lambda value: str(value)[:40])
def test_statements_that_hold(program: Function, condition: dict[str, Any]) -> None:
    assert clauses(program, **condition) == []


@pytest.mark.parametrize(("program", "condition", "clause"), FAILS, ids=lambda value: str(value)[:40])
def test_statements_that_do_not_hold_are_clauses(
    program: Function, condition: dict[str, Any], clause: str
) -> None:
    assert clauses(program, **condition) == [clause]


def test_all_statements_must_hold_and_each_failure_is_named() -> None:
    assert len(clauses(POOL, dtypes=["int8"], static=False, numbers={"kernel": {"one_of": [2]}})) == 3


def test_the_maker_of_a_weight() -> None:
    made = operation("constexpr_lut_to_dense", tensor(64, 64, 3, 3), "w")
    program = function([made, operation("conv", x="x", weight="w")], x=tensor(1, 64, 8, 8))
    assert clauses(program, made_by={"weight": ["constexpr_lut_to_dense"]}, constant=["weight"]) == []


INNER = function([operation("relu", name="out", x="x"), operation("relu", x="out")], x=tensor(*ACTIVATION))
INNER = replace(INNER, body=replace(INNER.body, outputs=("out",)))  # the last operation's result stays inside
INTENSITY = (2 * 4 * 256 / 1e6) / ((2 * 256 + 16) * 2 / 2**20)  # MFLOP per MiB of two tensors and the weight
NUMBERS = [
    ("axis", one("softmax", axis=const(-1)), (3,)),
    ("axis_extent", one("reduce_argmax", x=tensor(1, 2, 3000), axis=const(-1)), (3000,)),
    ("axis_extent", one("reduce_argmax", x=tensor(1, 2, 3000), axis=const(9)), ()),
    ("batch", one("relu", x=tensor(4, 64, 8, 8)), (4,)),
    ("blocks", one("q", data=weight(64, 64), scale=weight(64, 4)), (4,)),
    ("blocks", one("q", data=weight(64, 64), scale=weight(64, 1)), (1,)),
    ("border_width", one("relu", tensor(1, 64, 1), x=tensor(1, 64, 9)), (9, 1)),
    ("border_width", INNER, ()),
    ("broadcast", one("add", y="x"), (0,)),
    ("broadcast", one("add", y=const(1.0)), (1,)),
    ("broadcast", one("add", z=tensor(64, 1, 1)), (1,)),
    ("broadcast_batch", one("add", x=tensor(4, 8), z=tensor(1, 8)), (1,)),
    ("broadcast_batch", one("add", x=tensor(4, 8), z=tensor(4, 1)), (0,)),
    ("branches", one("concat", values=("x", "x", "x")), (4,)),
    ("contraction", one("linear", x=tensor(1, 8, 256)), (256,)),
    ("contraction", one("matmul", x=tensor(1, 8, 256), transpose_x=const(True)), (8,)),
    (
        "conv_intensity",
        one("conv", tensor(1, 4, 8, 8), x=tensor(1, 4, 8, 8), weight=weight(4, 4, 1, 1)),
        (INTENSITY,),
    ),
    ("dilation", one("conv"), (1,)),
    ("factor", one("pixel_shuffle", upscale_factor=const(3)), (3,)),
    ("factor", one("space_to_batch", block_shape=const([2, 4])), (2, 4)),
    ("group_channels", one("conv", weight=weight(64, 1, 3, 3)), (1,)),
    ("groups", one("conv", groups=const(4)), (4,)),
    ("kernel", one("conv", weight=weight(64, 64, 3, 5)), (3, 5)),
    ("kernel", one("conv", weight=tensor(64, 64, None, 5)), ()),
    ("kernel_height", one("conv", weight=weight(64, 64, 3, 5)), (3,)),
    ("kernel_height", one("conv", weight=weight(64, 64, 7)), (1,)),
    ("kernel_width", one("conv", weight=weight(64, 64, 3, 5)), (5,)),
    ("kernel_span", one("conv", weight=weight(64, 64, 3, 5), dilations=const([2, 1])), (5, 5)),
    ("kernel_span", one("conv", weight=weight(64, 64, 3, 3), dilations=const(4)), (9, 9)),
    ("kernel_span", one("conv", weight=weight(64, 64, 3, 3), dilations=const([2, 2, 2])), ()),
    ("largest_extent", one("relu", tensor(1, 99)), (99,)),
    ("largest_rank", one("relu", tensor(1, 2, 3, 4, 5)), (5,)),
    ("largest_side", one("relu", tensor(1, 900, 40, 50)), (50,)),
    ("lut_vector", one("p", indices=weight(64, 64), lut=weight(1, 1, 16, 2)), (2,)),
    ("lut_vector", one("p", indices=weight(64, 64), lut=weight(16)), (1,)),
    ("model_bytes", one("conv", weight=weight(64, 64, 3, 3), bias=weight(64)), (2 * 64 * 577,)),
    ("model_bytes", INNER, ()),
    ("moved_batch", one("transpose", perm=const([1, 0, 2, 3])), (1,)),
    ("moved_batch", one("transpose", perm=const([0, 1, 3, 2])), (0,)),
    ("output_channels", one("conv", tensor(1, 12, 8, 8)), (12,)),
    ("pixels", one("relu", tensor(1, 900, 40, 50)), (2000,)),
    ("rank", one("relu", x=tensor(1, 2, 3)), (3,)),
    ("result_width", one("relu", tensor(1, 2, 17)), (17,)),
    ("scale", one("resize", tensor(1, 64, 16, 48)), (0.5, 1.5)),
    ("scale", one("resize", tensor(1, 64, 16, 48), x=tensor(1, 64, 0, 0)), ()),
    ("stride", one("conv", strides=const([2, 3])), (2, 3)),
    ("stride", one("slice_by_index", stride=const([1, -1])), (1, -1)),
    ("stride", one("slice_by_index", stride=tensor(2, dtype="int16")), ()),
    ("tensor_bytes", one("cast", tensor(1, 8, dtype="fp32"), x=tensor(1, 8)), (32,)),
    ("tensor_bytes", one("relu", tensor(None), x=tensor(None)), ()),
    ("width_from", one("transpose", perm=const([0, 2, 3, -3])), (2,)),
    ("width_from", one("transpose", perm=const([1, 0, 2, 3])), (0,)),
    ("width_start", one("slice_by_index", begin=const([0, 0, 0, 5])), (5,)),
]


@pytest.mark.parametrize(("quantity", "program", "expected"), NUMBERS, ids=lambda value: str(value)[:24])
def test_quantities(quantity: str, program: Function, expected: tuple[float, ...]) -> None:
    assert subject(program).number(quantity) == expected


def test_every_quantity_is_tested() -> None:
    assert {name for name, _, _ in NUMBERS} == set(QUANTITIES)


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_a_quantity_of_an_operation_without_arguments_is_no_exception(quantity: str) -> None:
    assert len(subject(function([operation("frobnicate", tensor())])).number(quantity)) <= 2


@given(low=st.integers(-9, 9), high=st.integers(-9, 9), base=st.integers(1, 9), value=st.integers(-99, 99))
def test_ranges_are_inclusive(low: int, high: int, base: int, value: int) -> None:
    assert Range(at_least=low, at_most=high).holds(value) == (low <= value <= high)
    assert Range(one_of=(low, high)).holds(value) == (value in (low, high))
    assert Range(not_multiple_of=base).holds(value) == (value % base != 0)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), "?"), ((3.0, 3.0), "3×3"), ((1.5,), "1.5"), ((65537.0,), "65537"), ((1e8,), "100000000")],
)
def test_numbers_are_shown_as_a_person_writes_them(numbers: tuple[float, ...], text: str) -> None:
    assert show(numbers) == text
