from typing import Any

import pytest
from placement_programs import const, conv, function, one, operation, super_resolution, tensor, weight

from pipersr_build.mil.graph import Function
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.placement.check import check


def warned(program: Function, words: str, chip: str = "h16", interface: Interface | None = None) -> list[str]:
    return [text for text in check(program, chip=chip, interface=interface).warnings if words in text]


def test_a_plain_network_of_aligned_width_has_no_warning() -> None:
    assert check(super_resolution()).warnings == []


def test_a_last_relu_may_tie() -> None:
    assert len(warned(one("relu"), "equally fast on the CPU")) == 1
    assert "relu 'y'" in warned(one("relu"), "equally fast on the CPU")[0]
    assert warned(one("silu"), "equally fast on the CPU") == []
    inner = function([operation("relu", name="r", x="x"), operation("silu", x="r")], x=tensor(1, 64, 32, 32))
    assert warned(inner, "equally fast on the CPU") == []


def test_widths_that_are_padded() -> None:
    narrow = tensor(1, 3, 360, 360)
    found = warned(one("silu", narrow, x=narrow), "not a multiple of 32")
    assert len(found) == 1
    assert found[0].startswith("input 'x', 360 wide in rows of 384, output 'y', 360 wide in rows of 384: ")
    assert "(source: " in found[0]


@pytest.mark.parametrize(("width", "padded"), [(32, False), (48, True), (64, False), (1, True)])
def test_rows_of_32_are_not_padded(width: int, padded: bool) -> None:
    shape = tensor(1, 3, 8, width)
    assert bool(warned(one("silu", shape, x=shape), "not a multiple of 32")) == padded


def test_flexible_inputs_by_the_interface_or_the_type() -> None:
    flexible = tensor(1, 64, None, 32)
    assert len(warned(one("silu", flexible, x=flexible), "several sizes are accepted")) == 1
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
    assert [op.verdict for op in check(program, interface=interface).operations] == ["no", "no", "yes", "yes"]


def branching(count: int) -> Function:
    return one("concat", tensor(1, 64 * count, 32, 32), values=("x",) * count, axis=const(1))


CASES: list[tuple[Function, str, str]] = [
    (
        one("conv", x=tensor(2, 64, 32, 32), weight=tensor(64, 64, 3, 3)),
        "batch above 1",
        "h16",
    ),
    (one("conv", tensor(1, 36, 32, 32), weight=weight(36, 64, 3, 3)), "no multiple of 16", "h16"),
    (conv((9, 9)), "two smaller ones", "h16"),
    (conv(strides=[3, 3]), "convolution strides", "h16"),
    (conv(dilations=[4, 4]), "split dilation", "h16"),
    (one("conv", tensor(1, 64, 16, 16), weight=weight(64, 64, 3, 3)), "narrower than 32", "h18"),
    (one("max_pool", kernel_sizes=const([3, 3]), strides=const([3, 3])), "pooling strides", "h16"),
    (one("linear", weight=weight(32, 32)), "1×1 convolution", "h16"),
    (one("scaled_dot_product_attention"), "no fused attention", "h16"),
    (one("softmax", axis=const(-1)), "channel axis", "h16"),
    (branching(12), "twelve or more branches", "h16"),
    (one("silu", tensor(1, 3, 5568, 5568), x=tensor(1, 3, 5568, 5568)), "use tiles", "h16"),
    (one("slice_by_index", begin=const([0, 0, 0, 4]), end=const([1, 1, 1, 8])), "does not start at 0", "h13"),
    (one("concat", values=("x",), axis=const(3)), "wrong elements", "h15"),
    (one("topk"), "M3 Pro", "h16"),
]


@pytest.mark.parametrize(("program", "words", "chip"), CASES, ids=[case[1] for case in CASES])
def test_advice_on_operations(program: Function, words: str, chip: str) -> None:
    assert len(warned(program, words, chip)) == 1
    assert not warned(super_resolution(), words, chip)


def test_palettized_weights_with_a_wide_stride() -> None:
    made: dict[str, Any] = {"indices": weight(64, 64, 3, 3, dtype="uint4"), "lut": weight(16)}
    operations = [
        operation("constexpr_lut_to_dense", tensor(64, 64, 3, 3), "w", **made),
        operation("conv", x="x", weight="w", strides=const([4, 4])),
    ]
    assert len(warned(function(operations, x=tensor(1, 64, 32, 32)), "palettized")) == 1


def test_a_warning_names_three_places_and_counts_the_rest() -> None:
    operations = [operation("linear", name=f"l{i}", x="x", weight=weight(32, 32)) for i in range(5)]
    found = warned(function(operations, x=tensor(1, 64, 32, 32)), "1×1 convolution")
    assert found[0].startswith("linear 'l0', linear 'l1', linear 'l2' and 2 more: ")
