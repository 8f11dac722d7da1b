"""Advice from rows with a condition on one operation, and how it is gathered."""

from typing import Any, get_args

import pytest
from placement_programs import const, conv, function, one, operation, super_resolution, tensor, weight

from pipersr_build.evidence import Placement, PlacementVerdict
from pipersr_build.mil.graph import Constant, Function, TensorType
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.placement import advice, rules
from pipersr_build.placement.predict import predict_function
from pipersr_build.placement.quantities import Graph


def advised(program: Function, chip: str = "h16", interface: Interface | None = None) -> Placement:
    table = rules.load()
    placement = predict_function(program, interface=interface, chip=chip)
    return advice.advise(placement, Graph(program), interface, table, table.family(chip))


def warned(program: Function, words: str, chip: str = "h16", interface: Interface | None = None) -> list[str]:
    return [text for text in advised(program, chip, interface).warnings if words in text]


def told(program: Function, name: str = "y", chip: str = "h16") -> str:
    """All advice to one operation."""
    by_name = {op.output_name: op for op in advised(program, chip).operations}
    return "\n".join(by_name[name].advice)


def test_a_plain_network_of_aligned_width_has_no_warning() -> None:
    placement = advised(super_resolution())
    assert [text for text in placement.warnings if "2 MiB" not in text] == []
    assert {op.verdict for op in placement.operations} <= {"ane", "tie"}


def test_the_same_advice_by_each_way() -> None:
    program, table = one("acos"), rules.load()
    placement, graph = predict_function(program), Graph(program)
    arguments = (placement, graph, None, table, "H16")
    whole = advice.advise(*arguments)
    assert advice.changes(*arguments) == {"y": whole.operations[0].advice}
    assert advice.warnings(graph, None, table, "H16", placement) == whole.warnings


def test_a_last_relu_may_tie() -> None:
    large = tensor(1, 64, 128, 128)
    head = operation("conv", large, "c", x="x", weight=weight(64, 64, 3, 3))
    program = function([head, operation("relu", large, x="c")], x=large)
    graph, table, placement = Graph(program), rules.load(), predict_function(program)

    def said(verdict: PlacementVerdict) -> bool:
        *before, last = placement.operations
        judged = [*before, last.model_copy(update={"verdict": verdict})]
        whole = placement.model_copy(update={"operations": judged})
        found = advice.changes(whole, graph, None, table, "H16")
        return "equally fast on the CPU" in "\n".join(found.get("y", []))

    assert [said(verdict) for verdict in get_args(PlacementVerdict)] == [
        verdict == "ane" for verdict in get_args(PlacementVerdict)
    ]


@pytest.mark.parametrize("program", [one("relu"), one("relu", tensor(1, None), x=tensor(1, None))])
def test_a_relu_that_is_expected_elsewhere_is_not_said_to_tie(program: Function) -> None:
    assert "equally fast on the CPU" not in told(program)


def test_a_tie_costs_nothing() -> None:
    head = operation("conv", tensor(1, 64, 128, 128), "c", x="x", weight=weight(64, 64, 3, 3))
    last = operation("relu", tensor(1, 64, 128, 128), "y", x="c")
    program = function([head, last], x=tensor(1, 64, 128, 128))
    assert [op.verdict for op in advised(program).operations] == ["ane", "tie"]
    assert "it costs nothing" in told(program)
    assert told(program, "c") == ""


def test_widths_that_are_padded() -> None:
    narrow = tensor(1, 3, 360, 360)
    found = warned(one("silu", narrow, x=narrow), "not a multiple of 32")
    assert len(found) == 1
    padded = "360 wide in rows of 384 (6.2% of each unused; 352 and 384 fill them)"
    assert found[0].startswith(f"input 'x', {padded}, output 'y', {padded}: ")
    assert "(source: " in found[0]


@pytest.mark.parametrize(("width", "padded"), [(32, False), (48, True), (64, False), (1, True)])
def test_rows_of_32_are_not_padded(width: int, padded: bool) -> None:
    shape = tensor(1, 3, 8, width)
    assert bool(warned(one("silu", shape, x=shape), "not a multiple of 32")) == padded


def test_flexible_inputs_by_the_interface_or_the_type() -> None:
    flexible = tensor(1, 64, None, 32)
    program = one("silu", flexible, x=flexible)
    assert len(warned(program, "several sizes are accepted")) == 1
    assert "a function per size" in told(program)
    feature = Feature("x", "tensor", "fp16", (1, 64, 32, 32), flexible=True)
    assert len(warned(one("silu"), "several sizes", interface=Interface((feature,), ()))) == 1


def test_arithmetic_on_an_image_input() -> None:
    image = tensor(1, 3, 32, 32, dtype="fp32")
    operations = [
        operation("mul", image, "scaled", x="x", y=const(0.5, "fp32")),
        operation("add", image, "biased", x="scaled", y=weight(1, 3, 1, 1, dtype="fp32")),
        operation("cast", tensor(1, 3, 32, 32), "half", x="biased", dtype=const("fp16")),
        operation("mul", tensor(1, 3, 32, 32), "late", x="half", y=const(255.0)),
    ]
    program = function(operations, x=image)
    interface = Interface((Feature("x", "image", "uint8", (32, 32, 3), "RGB"),), ())
    found = warned(program, "directly on an image input", interface=interface)
    assert len(found) == 1
    assert found[0].startswith("mul 'scaled', add 'biased': ")
    assert warned(program, "directly on an image input") == []


def branching(count: int) -> Function:
    return one("concat", tensor(1, 64 * count, 32, 32), values=("x",) * count, axis=const(1))


WARNED: list[tuple[Function, str, str]] = [
    (one("conv", x=tensor(2, 64, 32, 32), weight=tensor(64, 64, 3, 3)), "with batch 2", "h16"),
    (conv((9, 9)), "a 9×9 kernel is slow", "h16"),
    (conv(strides=[3, 3]), "a stride of 3×3", "h16"),
    (conv(dilations=[6, 6]), "(6 = 2·3)", "h16"),
    (conv(dilations=[5, 5]), "5 has other factors", "h16"),
    (one("conv", tensor(1, 64, 16, 16), weight=weight(64, 64, 3, 3)), "rows of 16", "h18"),
    (one("max_pool", kernel_sizes=const([3, 3]), strides=const([3, 3])), "pooling stride of 3×3", "h16"),
    (one("linear", weight=weight(32, 32)), "1×1 convolution", "h16"),
    (one("scaled_dot_product_attention"), "no fused attention", "h16"),
    (one("softmax", axis=const(-1)), "axis 3: Apple advises the channel axis", "h16"),
    (branching(12), "branches into one operation", "h16"),
    (one("silu", tensor(1, 3, 5568, 5568), x=tensor(1, 3, 5568, 5568)), "at which the ANE's compiler", "h16"),
    (one("silu", tensor(1, 3, 1080, 1920), x=tensor(1, 3, 1080, 1920)), "2×2 tiles of 960×540", "h16"),
    (one("slice_by_index", begin=const([0, 0, 0, 4]), end=const([1, 1, 1, 8])), "does not start at 0", "h13"),
    (one("concat", values=("x",), axis=const(3)), "wrong elements", "h15"),
    (one("topk"), "M3 Pro", "h16"),
    (one("quantize", tensor(1, 64, 32, 32, dtype="int8")), "from A17 Pro and M4", "h14"),
    (one("quantize", tensor(1, 64, 32, 32, dtype="int8")), "end with dequantize", "h16"),
    (Function("main", "CoreML5", one("silu").inputs, one("silu").body), "old deployment targets", "h16"),
]


@pytest.mark.parametrize(("program", "words", "chip"), WARNED, ids=[case[1] for case in WARNED])
def test_advice_that_is_a_warning_too(program: Function, words: str, chip: str) -> None:
    assert len(warned(program, words, chip)) == 1
    assert not warned(super_resolution(), words, chip)


INT32 = tensor(1, 64, 32, 32, dtype="int32")
FP32 = tensor(1, 64, 32, 32, dtype="fp32")
LONG = tensor(1, 1, 8, 200000)
TOLD: list[tuple[Function, str]] = [
    (conv((16, 16)), "4 convolutions of at most 8×8"),
    (conv((17, 17)), "4 convolutions of at most 9×9"),
    (conv((1, 16)), "2 convolutions of at most 1×8"),
    (conv((40, 1)), "2 convolutions of at most 20×1"),
    (one("max_pool", kernel_sizes=const([9, 9]), strides=const([1, 1])), "2 max_pool of at most 5×5"),
    (one("add", FP32, x=FP32, y=FP32), "FLOAT16: it reads 0.5 MiB"),
    (one("add", INT32, x=INT32, y=INT32), "whole numbers up to 2048"),
    (one("silu", LONG, x=LONG), "4 pieces of at most 65536"),
    (one("matmul", tensor(8, 8), x=tensor(8, 70000), y=weight(70000, 8)), "into 3 matmul of at most 32768"),
    (one("cumsum", tensor(1, 64), x=tensor(1, 64), axis=const(1)), "64×64 ones"),
    (one("reduce_prod"), "exp(reduce_sum(log(x)))"),
    (one("acos"), "1.5708 - atan("),
    (one("tan"), "sin(x) ÷ cos(x)"),
    (one("mod"), "floor(x ÷ y)"),
    (one("lstm"), "unroll the steps"),
    (one("gather", indices=tensor(4, dtype="int32")), "make them constant"),
    (one("reduce_argmax", tensor(1, 1, 32, 32, dtype="int32"), axis=const(1)), "64 fp16 scores"),
    (one("silu", tensor(2, 1, 4, 1, 8, 8), x=tensor(2, 1, 4, 1, 8, 8)), "leave out 1 of its 2 axes"),
    (one("silu", tensor(2, 2, 4, 2, 8, 8), x=tensor(2, 2, 4, 2, 8, 8)), "merge neighbouring axes"),
    (
        one("conv_transpose", tensor(1, 32, 80, 80), weight=weight(64, 32, 9, 9), strides=const([5, 5])),
        "a 2×2 convolution to 800 channels and pixel_shuffle by 5",
    ),
]


@pytest.mark.parametrize(("program", "words"), TOLD, ids=[case[1] for case in TOLD])
def test_advice_where_the_engine_is_not_expected(program: Function, words: str) -> None:
    placement = advised(program)
    assert placement.operations[-1].verdict in ("hard", "unknown")
    assert words in told(program)
    assert not any(words in text for text in placement.warnings)


def test_advice_says_what_its_evidence_is() -> None:
    assert told(conv((9, 9))).endswith("[apple-documented]")
    assert told(one("acos")).endswith("[measured]")


def test_channels_of_half_a_unit() -> None:
    body = operation("conv", tensor(1, 48, 128, 128), "c", x="x", weight=weight(48, 48, 3, 3))
    tail = operation("conv", tensor(1, 48, 128, 128), "t", x="c", weight=weight(48, 48, 3, 3))
    large = operation("pixel_shuffle", tensor(1, 12, 256, 256), x="t", upscale_factor=const(2))
    program = function([body, tail, large], x=tensor(1, 48, 128, 128))
    said = told(program, "c")
    assert "48 channels are no multiple of 32: 32 or 64 fill the engine" in said
    assert (
        "64 channels do 1.78 times the work in about 1.30 times the time" in said
    )  # 0.54 and 0.74 of the rate
    assert told(program, "t") == ""


def test_a_depthwise_layer_names_its_rate() -> None:
    x = tensor(1, 64, 128, 128)
    said = told(one("conv", x, x=x, weight=weight(64, 1, 3, 3), groups=const(64)))
    assert "0.471 TFLOP/s by Core ML's estimate" in said
    assert "100% of all operations" in said
    # 16151.68 against 471 GFLOP/s at 64 times the arithmetic
    assert f"a dense one does 64 times the arithmetic for {64 * 471 / 16151.68 - 1:+.0%}" in said


@pytest.mark.parametrize(
    ("channels", "said"),
    [(100, "96 or 112 waste none"), (65537, ": 65536 waste none"), (70001, ": 65536 waste none")],
)
def test_channels_are_rounded_to_16_and_to_what_an_extent_may_be(channels: int, said: str) -> None:
    wide = tensor(1, channels, 8, 8)
    assert said in told(one("conv", wide, weight=weight(channels, 64, 1, 1)))


def test_arithmetic_on_an_image_is_told_to_move_and_not_to_convert_again() -> None:
    image = tensor(1, 3, 32, 32, dtype="fp32")
    program = one("mul", image, x=image, y=const(0.5, "fp32"))
    interface = Interface((Feature("x", "image", "uint8", (32, 32, 3), "RGB"),), ())
    said = "\n".join(advised(program, interface=interface).operations[0].advice)
    assert "scale inside the fp16 graph" in said
    assert "FLOAT16" not in said
    assert "FLOAT16" in told(program)


INDEX = tensor(4, dtype="int32")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (one("slice_by_index", begin=INDEX, end=const([1, 1, 1, 1])), "its start or size"),
        (one("slice_by_index", begin=const([0, 0, 0, 0]), end=INDEX), "its end comes at run time"),
        (one("slice_by_size", begin=const([0, 0, 0, 0]), size=INDEX), "its size comes at run time"),
        (one("scatter", indices=INDEX), "where the indices are constant"),
    ],
)
def test_indices_are_to_be_constant_and_not_fp16(program: Function, words: str) -> None:
    assert words in told(program)
    assert "2048" not in told(program)


def test_bicubic_is_spoken_of_at_what_replaces_it_and_warns_of_nothing() -> None:
    program = one("resize_bilinear", tensor(1, 64, 64, 64))
    assert "if it stands in for bicubic" in told(program)
    assert not warned(program, "bicubic")


def test_palettized_weights_with_a_wide_stride() -> None:
    made: dict[str, Any] = {"indices": weight(64, 64, 3, 3, dtype="uint4"), "lut": weight(16)}
    operations = [
        operation("constexpr_lut_to_dense", tensor(64, 64, 3, 3), "w", **made),
        operation("conv", x="x", weight="w", strides=const([4, 4])),
    ]
    assert len(warned(function(operations, x=tensor(1, 64, 32, 32)), "palettized")) == 1


def test_scales_per_block() -> None:
    made: dict[str, Constant] = {"data": weight(64, 64, 1, 1, dtype="int8"), "scale": weight(64, 4, 1, 1)}
    operations = [
        operation("constexpr_blockwise_shift_scale", TensorType("fp16", (64, 64, 1, 1)), "w", **made),
        operation("conv", x="x", weight="w"),
    ]
    assert "4 scales along one axis" in told(function(operations, x=tensor(1, 64, 32, 32)), "w")


def test_a_warning_names_three_places_and_counts_the_rest() -> None:
    operations = [operation("linear", name=f"l{i}", x="x", weight=weight(32, 32)) for i in range(5)]
    found = warned(function(operations, x=tensor(1, 64, 32, 32)), "1×1 convolution")
    assert found[0].startswith("linear 'l0', linear 'l1', linear 'l2' and 2 more: ")
