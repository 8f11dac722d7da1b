import subprocess
import sys
from typing import Any

import pytest
from placement_programs import const, conv, function, one, operation, super_resolution, tensor, weight

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Block, Function, Operation, Output
from pipersr_build.placement.check import check
from pipersr_build.placement.gate import residency


def verdict(program: Function, chip: str = "h16") -> str:
    return check(program, chip=chip).operations[-1].verdict


def reasons(program: Function, chip: str = "h16") -> str:
    return "\n".join(check(program, chip=chip).operations[-1].reasons)


def test_a_super_resolution_network_runs_whole_on_the_measured_chip() -> None:
    placement = check(super_resolution())
    assert residency(placement) == (8, 0, 0)
    assert placement.source == "predicted"
    assert "H16 (A17 Pro, M4)" in placement.basis
    assert "macOS 27.0.1" in placement.basis
    assert all(op.sources and len(op.reasons) == 1 for op in placement.operations)
    assert [op.output_name for op in placement.operations][:3] == ["in16", "head", "norm"]


@pytest.mark.parametrize("scale", [3, 4])
def test_pixel_shuffle_is_known_for_2_only(scale: int) -> None:
    placement = check(super_resolution(scale))
    assert residency(placement) == (7, 0, 1)
    shuffle = placement.operations[-2]
    assert f"factor is {scale} (covered: 2)" in shuffle.reasons[0]


@pytest.mark.parametrize("chip", ["h13", "h14", "h15", "h17", "M1", "a18 pro"])
def test_chips_without_measurements_are_unknown_and_say_so(chip: str) -> None:
    placement = check(super_resolution(), chip=chip)
    assert residency(placement) == (0, 0, 8)
    assert "measured on: nothing for this chip" in placement.basis
    assert "evidence exists for H16 (A17 Pro, M4)" in placement.operations[3].reasons[0]


def test_the_m6_is_known_where_the_compiler_was_asked() -> None:
    assert verdict(conv(), "M6") == "yes"
    assert verdict(one("relu"), "h18") == "yes"
    assert verdict(one("silu"), "h18") == "unknown"
    assert verdict(conv((1, 31)), "h18") == "unknown"
    assert "for this chip" in reasons(conv((1, 31)), "h18")


def test_an_unknown_chip_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"(?s)no chip is called 'm99'.*h16 \(A17 Pro, M4\)"):
        check(one("relu"), chip="m99")


def test_an_operation_without_a_row_is_unknown() -> None:
    assert verdict(one("frobnicate")) == "unknown"
    assert reasons(one("frobnicate")) == "no rule covers frobnicate: nothing is known about it"


CONVOLUTIONS = [
    ({"kernel": (1, 1)}, "yes"),
    ({"kernel": (15, 15)}, "yes"),
    ({"kernel": (16, 16)}, "unknown"),
    ({"kernel": (17, 17)}, "no"),
    ({"kernel": (1, 15)}, "yes"),
    ({"kernel": (1, 16)}, "no"),
    ({"kernel": (31, 1)}, "yes"),
    ({"kernel": (32, 1)}, "no"),
    ({"kernel": (3, 20)}, "unknown"),
    ({"strides": [8, 8]}, "yes"),
    ({"strides": [9, 9]}, "unknown"),
    ({"dilations": [2, 2]}, "yes"),
    ({"dilations": [3, 3]}, "unknown"),
    ({"kernel": (5, 5), "dilations": [2, 2]}, "unknown"),
    ({"groups": 64}, "yes"),
    ({"x": tensor(64, 64, 8, 8)}, "yes"),
    ({"x": tensor(65, 64, 8, 8)}, "unknown"),
    ({"kernel": (3,), "x": tensor(1, 64, 1024)}, "yes"),
    ({"kernel": (5,), "x": tensor(1, 64, 1024)}, "unknown"),
    ({"kernel": (3, 3, 3), "x": tensor(1, 64, 8, 8, 8)}, "yes"),
]


@pytest.mark.parametrize(("options", "expected"), CONVOLUTIONS, ids=str)
def test_convolution_limits(options: dict[str, Any], expected: str) -> None:
    assert verdict(conv(**options)) == expected


def test_the_reason_carries_the_operations_numbers() -> None:
    assert "a 1×31 convolution: rows run up to 1×15. Split the kernel" in reasons(conv((1, 31)))


def test_dynamic_weights_run_in_batch_1_only() -> None:
    kernel = tensor(64, 64, 3, 3)
    assert verdict(one("conv", weight=kernel)) == "yes"
    batched = tensor(2, 64, 32, 32)
    assert verdict(one("conv", batched, x=batched, weight=kernel)) == "unknown"


def test_compressed_weights_count_as_constants_and_are_not_placed() -> None:
    palette = {"indices": weight(64, 64, 3, 3, dtype="uint4"), "lut": weight(1, 1, 1, 1, 16, 1)}
    operations = [
        operation("constexpr_lut_to_dense", tensor(64, 64, 3, 3), "w", **palette),
        operation("conv", x="x", weight="w"),
    ]
    placement = check(function(operations, x=tensor(1, 64, 32, 32)))
    assert residency(placement) == (2, 0, 0)
    assert "nothing to place" in placement.operations[0].reasons[0]


@pytest.mark.parametrize(("scales", "expected"), [((64, 1, 1, 1), "yes"), ((64, 4, 1, 1), "unknown")])
def test_scales_per_channel_but_not_per_block(scales: tuple[int, ...], expected: str) -> None:
    inputs = {"data": weight(64, 64, 3, 3, dtype="int8"), "scale": weight(*scales)}
    program = function([operation("constexpr_blockwise_shift_scale", tensor(64, 64, 3, 3), **inputs)])
    assert verdict(program) == expected


BARRIERS = [
    (one("transpose", tensor(1, 2, 3, 4, 5, 6), x=tensor(1, 2, 3, 4, 5, 6)), "rank 6"),
    (one("add", tensor(1, dtype="int32"), x=tensor(1, dtype="int32")), "int32"),
    (one("cast", tensor(1, dtype="int32"), x=tensor(1, dtype="int8")), "int32"),
    (one("relu", tensor(1, dtype="fp64"), x=tensor(1, dtype="fp64")), "fp64"),
    (one("silu", tensor(1, dtype="fp32"), x=tensor(1, dtype="fp32")), "never lowers the precision"),
    (one("relu", tensor(1, 65537), x=tensor(1, 65537)), "65537"),
    (one("frobnicate", tensor(1, dtype="int64")), "int64"),
]


@pytest.mark.parametrize(("program", "words"), BARRIERS, ids=lambda value: str(value)[:20])
def test_barriers_hold_for_every_operation(program: Function, words: str) -> None:
    assert verdict(program) == "no"
    assert words in reasons(program)


def test_a_network_in_float32_is_barred_except_for_its_casts() -> None:
    placement = check(super_resolution(dtype="fp32"))
    assert [op.verdict for op in placement.operations] == ["unknown", *["no"] * 6, "unknown"]


def test_the_largest_extents_that_run() -> None:
    assert verdict(one("relu", tensor(65536), x=tensor(65536))) == "yes"
    wide = tensor(1, 1, 1, 16385)
    assert verdict(one("relu", wide, x=wide)) == "yes"
    assert "width or height of 16385" in reasons(one("relu", wide, x=wide), "h13")


def test_an_extent_known_only_at_run_time_is_unknown() -> None:
    flexible = tensor(1, 3, None, None)
    assert verdict(one("relu", flexible, x=flexible)) == "unknown"
    assert "not known before run time" in reasons(one("relu", flexible, x=flexible))


INT16 = tensor(1, 64, 32, 32, dtype="int16")
BOOL = tensor(1, 64, 32, 32, dtype="bool")
CASES = [
    ("bool cast", one("cast", x=BOOL, dtype=const("fp16")), "yes"),
    ("int16 cast", one("cast", x=INT16, dtype=const("fp16")), "unknown"),
    ("comparison", one("greater", BOOL, y=const(0.0)), "yes"),
    ("argmax", one("reduce_argmax", INT16), "unknown"),
    ("argmax int32", one("reduce_argmax", tensor(1, dtype="int32")), "no"),
    ("atanh", one("atanh"), "no"),
    ("cumsum", one("cumsum", axis=const(3)), "no"),
    ("crop_resize", one("crop_resize"), "no"),
    ("lstm", one("lstm"), "no"),
    ("gather", one("gather", indices=weight(8, dtype="uint16")), "yes"),
    ("gather int32", one("gather", indices=weight(8, dtype="int32")), "unknown"),
    ("gather dynamic", one("gather", indices=tensor(8, dtype="int16")), "unknown"),
    ("gather nd", one("gather_nd", indices=tensor(8, dtype="int16")), "yes"),
    ("matmul", one("matmul", x=tensor(1, 16, 32768), y=weight(1, 32768, 16)), "yes"),
    ("matmul between", one("matmul", x=tensor(1, 16, 32769), y=weight(1, 32769, 16)), "unknown"),
    ("matmul deep", one("matmul", x=tensor(1, 16, 40000), y=weight(1, 40000, 16)), "no"),
    (
        "matmul transposed",
        one("matmul", x=tensor(1, 40000, 16), y=weight(1, 40000, 16), transpose_x=const(True)),
        "no",
    ),
    ("concat", one("concat", values=("x", "x"), axis=const(-1)), "yes"),
    ("concat height", one("concat", values=("x", "x"), axis=const(2)), "unknown"),
    ("pad", one("pad", mode=const("reflect"), pad=const([2, 2])), "yes"),
    ("pad symmetric", one("pad", mode=const("symmetric"), pad=const([2, 2])), "unknown"),
    ("slice", one("slice_by_index", begin=const([0]), end=const([4])), "yes"),
    (
        "slice backwards",
        one("slice_by_index", begin=const([0]), end=const([4]), stride=const([-1])),
        "unknown",
    ),
    ("resize", one("resize_bilinear", tensor(1, 64, 48, 48), sampling_mode=const("DEFAULT")), "yes"),
    ("resize x4", one("resize_bilinear", tensor(1, 64, 128, 128), sampling_mode=const("DEFAULT")), "unknown"),
    (
        "upsample",
        one("upsample_bilinear", scale_factor_height=const(2), scale_factor_width=const(2)),
        "yes",
    ),
    (
        "upsample x3",
        one("upsample_bilinear", scale_factor_height=const(3.0), scale_factor_width=const(3.0)),
        "unknown",
    ),
    ("pool", one("max_pool", kernel_sizes=const([8, 8]), strides=const([2, 2])), "yes"),
    ("pool row", one("max_pool", kernel_sizes=const([1, 9]), strides=const([1, 1])), "no"),
    ("pool column", one("max_pool", kernel_sizes=const([9, 1]), strides=const([1, 1])), "yes"),
    ("pool large", one("max_pool", kernel_sizes=const([9, 9]), strides=const([1, 1])), "no"),
    ("average", one("avg_pool", kernel_sizes=const([14, 14]), strides=const([1, 1])), "yes"),
    ("prelu", one("prelu", alpha=weight(64)), "unknown"),
    ("topk", one("topk"), "unknown"),
    ("gelu", one("gelu", mode=const("EXACT")), "yes"),
    ("gelu without mode", one("gelu"), "unknown"),
    (
        "transposed",
        one("conv_transpose", weight=weight(64, 64, 2, 2), strides=const([2, 2])),
        "yes",
    ),
    (
        "transposed x4",
        one("conv_transpose", weight=weight(64, 64, 4, 4), strides=const([4, 4])),
        "unknown",
    ),
]


@pytest.mark.parametrize(
    ("program", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_single_operations(program: Function, expected: str) -> None:
    assert verdict(program) == expected, reasons(program)


def test_nested_blocks_are_judged_in_program_order() -> None:
    inner = Block((Output("i", tensor(1, 64)),), (operation("relu", tensor(1, 64), "r", x="i"),), ("r",))
    loop = Operation("while_loop", {"loop_vars": ("x",)}, (Output("y", tensor(1, 64)),), blocks=(inner,))
    placement = check(function([loop, operation("silu", tensor(1, 64), "z", x="y")], x=tensor(1, 64)))
    assert [(op.output_name, op.verdict) for op in placement.operations] == [
        ("y", "unknown"),
        ("r", "yes"),
        ("z", "yes"),
    ]


ODD = [
    one("conv", weight=const("not a weight"), strides=const("one"), groups=const("two")),
    one("conv", weight="nobody made this"),
    one("pad", mode=const([1, 2])),
    one("resize", tensor(1), x=tensor(1, 64, 0, 0)),
    function([operation("concat", values=(), axis=const(1))]),
    one("concat", values=("x",), axis=const([], "int32")),
    function([Operation("relu", {}, ())]),
    function([]),
]


@pytest.mark.parametrize("program", ODD)
def test_odd_programs_are_unknown_and_never_an_exception(program: Function) -> None:
    assert all(op.verdict == "unknown" for op in check(program).operations)


def test_checking_needs_neither_torch_nor_coremltools() -> None:
    code = (
        "import sys, pipersr_build.placement.check as check; "
        "check.rules.load(); "
        "sys.exit(','.join({'torch', 'coremltools'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
