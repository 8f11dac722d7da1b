import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from placement_programs import const, conv, function, one, operation, super_resolution, tensor, weight
from pydantic import BaseModel

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Block, Function, Operation, Output
from pipersr_build.mil.package import open_package
from pipersr_build.placement import rules
from pipersr_build.placement.check import Capability, basis, capabilities
from pipersr_build.placement.conditions import Condition
from pipersr_build.placement.rules import Rule, Rules


def judged(program: Function, chip: str = "h16") -> Capability:
    return capabilities(program, chip=chip)[-1]


def verdict(program: Function, chip: str = "h16") -> str:
    return judged(program, chip).answer


def verdicts(program: Function, chip: str = "h16") -> list[str]:
    return [capability.answer for capability in capabilities(program, chip=chip)]


def reasons(program: Function, chip: str = "h16") -> str:
    return "\n".join(judged(program, chip).reasons)


def test_a_super_resolution_network_runs_whole_on_the_measured_chip() -> None:
    found = capabilities(super_resolution())
    assert [capability.answer for capability in found] == ["yes"] * 8
    assert all(capability.sources and len(capability.reasons) == 1 for capability in found)
    assert [capability.operation.name for capability in found][:3] == ["in16", "head", "norm"]


def test_the_basis_names_the_chip_and_what_was_measured() -> None:
    measured = "H16 (A17 Pro, M4); rules measured through Core ML or its compiler on M4, macOS 27.0.1"
    assert basis(rules.load(), "H16").startswith(measured)
    nothing = "H14 (A15, M2); no rules measured through Core ML or its compiler on this chip"
    assert basis(rules.load(), "H14") == nothing


@pytest.mark.parametrize("scale", [3, 4])
def test_pixel_shuffle_is_known_for_2_only(scale: int) -> None:
    found = capabilities(super_resolution(scale))
    assert [capability.answer for capability in found].count("unknown") == 1
    assert f"factor is {scale} (covered: 2)" in found[-2].reasons[0]


@pytest.mark.parametrize("chip", ["h13", "h14", "h15", "h17", "h18", "M1", "a18 pro"])
def test_on_other_chips_a_network_runs_by_evidence_that_shows_its_kind(chip: str) -> None:
    found = capabilities(super_resolution(), chip=chip)
    assert {capability.answer for capability in found} == {"yes"}
    silu = found[3]
    assert silu.weaker
    assert silu.reasons[0].endswith("; ".join(silu.weaker))
    weaker = sum(bool(capability.weaker) for capability in found)
    family = rules.load().family(chip)
    assert f"; {weaker} of 8 answers rest on weaker evidence (" in basis(rules.load(), family, found)


KINDS = [
    (one("silu"), "M2", "a vendor's statement"),
    (conv(), "M2", "measured outside Core ML on M2 Pro; a vendor's statement"),
    (conv(strides=[2, 2]), "M3", "inferred from the time of whole networks on iPhone 14 Pro (A16)"),
    (conv((13, 13)), "M1", "measured outside Core ML on M1"),
    (conv((29, 1)), "M1", "measured outside Core ML on M1"),
    (conv((29, 1)), "M3", "from the compiler's tables (decompiled)"),
    (one("gelu"), "M1", "inferred from the time of whole networks on iPhone 12 Pro (A14)"),
    (one("clip"), "M1", "from the compiler's tables (decompiled)"),
    (one("sin"), "M3", "from the compiler's tables (decompiled)"),
    (one("silu"), "M6", "whole networks on iPhone 17 Pro (A19 Pro)"),
    (one("erf"), "M6", "measured outside Core ML on M6"),
    (one("softmax", axis=const(1)), "M5", "from the compiler's tables (decompiled)"),
    (one("pixel_shuffle", upscale_factor=const(8)), "M1", "from the compiler's tables (decompiled)"),
    (one("avg_pool", kernel_sizes=const([29, 29])), "M2", "windows up to 29"),
]


@pytest.mark.parametrize(("program", "chip", "words"), KINDS, ids=lambda value: str(value)[:40])
def test_the_kind_of_weaker_evidence(program: Function, chip: str, words: str) -> None:
    assert verdict(program, chip) == "yes"
    assert words in reasons(program, chip)


UNKNOWN = [
    (one("pad", mode=const("reflect"), pad=const([2, 2])), "M1"),
    (one("affine"), "M1"),
    (one("resize_bilinear", tensor(1, 64, 64, 64)), "M1"),
    (one("sin"), "M2"),
    (one("resample"), "M2"),
    (one("logical_and", BOOL := tensor(4, dtype="bool"), x=BOOL), "M1"),
    (one("pixel_shuffle", upscale_factor=const(5)), "M1"),
    (one("pixel_shuffle", upscale_factor=const(3)), "M5"),
    (conv((1, 14)), "M3"),
    (conv((30, 1)), "M1"),
    (conv(strides=[3, 3]), "M2"),
    (one("matmul", x=tensor(1, 16, 16385), y=weight(1, 16385, 16)), "M2"),
    (one("transpose", x=tensor(1, 16385, 4, 4)), "M3"),
    (one("relu", tensor(1, 65537), x=tensor(1, 65537)), "M5"),
]


@pytest.mark.parametrize(("program", "chip"), UNKNOWN, ids=lambda value: str(value)[:40])
def test_what_nothing_says_of_other_chips_is_unknown(program: Function, chip: str) -> None:
    assert verdict(program, chip) == "unknown"


def test_weaker_evidence_says_nothing_against_core_mls_own_answer() -> None:
    for rule in rules.load().rule:
        if "H16" in rule.chips:
            assert not rules.load().weaker(rule, "H16"), rule.id


def test_the_m6_is_known_where_the_compiler_was_asked() -> None:
    for program in (conv(), one("relu")):
        found = judged(program, "M6")
        assert (found.answer, found.weaker) == ("yes", ())
    assert verdict(conv((1, 31)), "h18") == "unknown"
    assert "for this chip" in reasons(conv((1, 31)), "h18")


def test_an_unknown_chip_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"(?s)no chip is called 'm99'.*h16 \(A17 Pro, M4\)"):
        capabilities(one("relu"), chip="m99")


def test_an_operation_without_a_row_is_unknown() -> None:
    assert verdict(one("frobnicate")) == "unknown"
    assert reasons(one("frobnicate")) == "no rule covers frobnicate: nothing is known about it"


LINE, VOLUME = tensor(1, 64, 1024), tensor(1, 64, 8, 16, 16)
CONVOLUTIONS: list[tuple[dict[str, Any], str]] = [
    *[({"kernel": (k, k)}, "yes") for k in (1, 2, 3, 5, 7, 14, 15)],
    ({"kernel": (16, 16)}, "unknown"),
    *[({"kernel": (k, k)}, "no") for k in (17, 20, 31)],
    *[({"kernel": (1, k)}, "yes") for k in (3, 13, 14, 15)],
    *[({"kernel": (1, k)}, "no") for k in (16, 17, 31, 64)],
    *[({"kernel": (k, 1)}, "yes") for k in (3, 15, 16, 30, 31)],
    *[({"kernel": (k, 1)}, "no") for k in (32, 33, 64)],
    ({"kernel": (3, 20)}, "unknown"),
    *[({"strides": [s, s]}, "yes") for s in range(1, 9)],
    ({"strides": [9, 9]}, "unknown"),
    ({"dilations": [2, 2]}, "yes"),
    ({"dilations": [3, 3]}, "unknown"),
    ({"kernel": (7, 7), "dilations": [2, 2]}, "yes"),
    ({"kernel": (9, 9), "dilations": [2, 2]}, "unknown"),
    *[({"groups": g}, "yes") for g in (2, 4, 8, 16, 32, 64)],
    ({"groups": 64, "kernel": (5, 5), "strides": [2, 2]}, "yes"),
    *[({"x": tensor(n, 64, 8, 8)}, "yes") for n in (2, 4, 64)],
    ({"x": tensor(65, 64, 8, 8)}, "unknown"),
    *[({"kernel": (k,), "x": LINE}, "yes") for k in (1, 3, 7, 15)],
    ({"kernel": (16,), "x": LINE}, "unknown"),
    ({"kernel": (3,), "x": LINE, "strides": [2], "dilations": [2]}, "yes"),
    ({"kernel": (3,), "x": LINE, "groups": 64}, "yes"),
    ({"kernel": (3, 3, 3), "x": VOLUME}, "yes"),
    ({"kernel": (3, 3, 3), "x": VOLUME, "strides": [2, 2, 2]}, "yes"),
    ({"kernel": (5, 5, 5), "x": VOLUME}, "unknown"),
]


@pytest.mark.parametrize(("options", "expected"), CONVOLUTIONS, ids=str)
def test_convolution_limits(options: dict[str, Any], expected: str) -> None:
    assert verdict(conv(**options)) == expected


def test_depthwise_convolutions_run_with_any_number_of_channels() -> None:
    many = tensor(1, 65536, 1, 1)
    assert verdict(one("conv", many, x=many, weight=weight(65536, 1, 3, 3), groups=const(65536))) == "yes"
    assert verdict(one("conv", many, x=many, weight=weight(128, 2, 3, 3), groups=const(128))) == "unknown"


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
    found = capabilities(function(operations, x=tensor(1, 64, 32, 32)))
    assert [capability.answer for capability in found] == ["yes", "yes"]
    assert "nothing to place" in found[0].reasons[0]


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
    assert verdicts(super_resolution(dtype="fp32")) == ["unknown", *["no"] * 6, "unknown"]


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
    ("gather negative", one("gather", indices=weight(8, dtype="int16")), "yes"),
    ("gather dynamic", one("gather", indices=tensor(8, dtype="int16")), "no"),
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
    ("concat height", one("concat", values=("x", "x"), axis=const(2)), "yes"),
    ("pad", one("pad", mode=const("reflect"), pad=const([2, 2])), "yes"),
    ("pad symmetric", one("pad", mode=const("symmetric"), pad=const([2, 2])), "unknown"),
    ("slice", one("slice_by_index", begin=const([0]), end=const([4])), "yes"),
    (
        "slice backwards",
        one("slice_by_index", begin=const([0]), end=const([4]), stride=const([-1])),
        "unknown",
    ),
    ("resize", one("resize_bilinear", tensor(1, 64, 48, 48), sampling_mode=const("DEFAULT")), "yes"),
    ("resize x4", one("resize_bilinear", tensor(1, 64, 128, 128), sampling_mode=const("DEFAULT")), "yes"),
    ("resize x5", one("resize_bilinear", tensor(1, 64, 160, 160), sampling_mode=const("DEFAULT")), "unknown"),
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
    ("pool row that fits", one("max_pool", kernel_sizes=const([1, 8]), strides=const([3, 3])), "yes"),
    ("pool row", one("max_pool", kernel_sizes=const([1, 9]), strides=const([1, 1])), "no"),
    ("pool column", one("max_pool", kernel_sizes=const([9, 1]), strides=const([1, 1])), "yes"),
    ("pool large", one("max_pool", kernel_sizes=const([9, 9]), strides=const([1, 1])), "no"),
    ("average", one("avg_pool", kernel_sizes=const([14, 14]), strides=const([1, 1])), "yes"),
    ("average wide", one("avg_pool", kernel_sizes=const([32, 32]), strides=const([32, 32])), "yes"),
    ("prelu", one("prelu", alpha=weight(64)), "unknown"),
    ("topk", one("topk"), "yes"),
    ("topk with wide indices", one("topk", tensor(4, dtype="int32")), "no"),
    ("gelu", one("gelu", mode=const("EXACT")), "yes"),
    ("gelu without mode", one("gelu"), "yes"),
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
    found = capabilities(function([loop, operation("silu", tensor(1, 64), "z", x="y")], x=tensor(1, 64)))
    assert [(capability.operation.name, capability.answer) for capability in found] == [
        ("y", "unknown"),
        ("r", "yes"),
        ("z", "yes"),
    ]


RANKS = [(65536,), (8, 16), (64, 8, 16), (2, 64, 8, 16), (1, 4, 64, 8, 16)]
CLASSES = {
    """relu relu6 clip leaky_relu elu thresholded_relu sigmoid sigmoid_hard silu tanh scaled_tanh softplus
    softsign gelu erf exp exp2 log sqrt rsqrt inverse pow abs sign square floor ceil round sin cos atan add
    sub mul real_div floor_div maximum minimum concat split stack squeeze expand_dims transpose tile reverse
    reduce_sum reduce_mean reduce_max reduce_min reduce_l1_norm reduce_l2_norm reduce_log_sum
    reduce_log_sum_exp reduce_sum_square softmax layer_norm instance_norm batch_norm l2_norm
    local_response_norm""": "yes",
    """acos asin tan sinh cosh atanh mod reduce_prod cumsum crop_resize sliding_windows band_part one_hot
    non_zero range_1d random_bernoulli random_categorical random_normal random_uniform scatter
    scatter_along_axis scatter_nd lstm gru rnn""": "no",
}
MEMBERS = [(name, answer) for names, answer in CLASSES.items() for name in names.split()]


@pytest.mark.parametrize(("name", "answer"), MEMBERS)
def test_a_class_of_operations_holds_for_every_rank_and_axis(name: str, answer: str) -> None:
    for shape in RANKS:
        for axis in range(-len(shape), len(shape)):
            program = one(name, tensor(*shape), x=tensor(*shape), axis=const(axis))
            assert verdict(program) == answer, reasons(program)


@pytest.mark.parametrize("name", ["add", "mul", "matmul", "relu", "concat", "select", "cast", "tile"])
def test_int32_computed_at_run_time_does_not_run_and_a_fixed_one_does_not_matter(name: str) -> None:
    wide = tensor(4, dtype="int32")
    assert verdict(one(name, wide, x=wide)) == "no"
    assert verdict(one("tile", reps=const([1, 2, 1, 2]))) == "yes"


def test_a_cast_of_int8_at_the_end_says_what_to_return() -> None:
    program = one("cast", tensor(4, dtype="int32"), x=tensor(4, dtype="int8"))
    assert verdict(program) == "no"
    assert "return fp16" in reasons(program)


ODD = [
    one("conv", weight=const("not a weight"), strides=const("one"), groups=const("two")),
    one("conv", weight="nobody made this"),
    one("pad", mode=const([1, 2])),
    one("resize", tensor(1), x=tensor(1, 64, 0, 0)),
    function([Operation("relu", {}, ())]),
    function([]),
]


@pytest.mark.parametrize("program", ODD)
def test_odd_programs_are_unknown_and_never_an_exception(program: Function) -> None:
    assert all(answer == "unknown" for answer in verdicts(program))


@pytest.mark.parametrize("rule", rules.load().rule, ids=lambda rule: rule.id)
def test_every_reason_of_the_shipped_rules_is_a_sentence_about_the_operation(rule: Rule) -> None:
    program = one(rule.operations[0] if rule.operations[0] != rules.ANY else "relu")
    always = rule.model_copy(update={"when": Condition()})
    shipped = rules.load()
    alone = Rules.model_construct(families=shipped.families, sources=shipped.sources, rule=(always,))
    found = capabilities(program, ruleset=alone, chip=rule.chips[0])[0]
    assert found.reasons[0].startswith(rule.reason.split("{")[0])
    assert not set("{}").intersection(found.reasons[0])
    assert set(found.sources) <= set(shipped.cite(rule.sources))
    assert found.sources
    assert not rule.reason.endswith(".")
    assert rule.note.endswith(".") or not rule.note


class Told(BaseModel):
    output_name: str
    supported: list[str]


class Case(BaseModel):
    case: str
    kind: str
    compute_units: str
    ops: list[Told]


def disagreements(folder: Path, truth: Path) -> tuple[int, list[str]]:
    """How many operations were told, and a line for each on which the rules do not say the same."""
    total, lines = 0, []
    found: dict[Path, dict[str, Capability]] = {}
    for case in map(Case.model_validate_json, truth.read_text(encoding="utf-8").splitlines()):
        path = folder / case.kind / f"{case.case}.mlpackage"
        if path not in found:
            found[path] = {c.operation.name: c for c in capabilities(open_package(path).main)}
        for told in case.ops:
            total, said = total + 1, found[path][told.output_name]
            if said.answer != ("yes" if "ANE" in told.supported else "no"):
                where = f"{case.kind}/{case.case} {case.compute_units}"
                lines.append(f"{where}: {said.operation.type} {said.answer}, Core ML {told.supported}")
    return total, lines


def test_the_rules_agree_with_every_operation_that_core_ml_was_asked_about(
    shared_data: Path, tmp_path: Path
) -> None:
    packages = shared_data / "placement" / "dev_packages.zip"
    if not packages.is_file():
        pytest.skip("the measured packages are not at ../shared/data/placement")
    with zipfile.ZipFile(packages) as archive:
        archive.extractall(tmp_path)
    total, lines = disagreements(tmp_path, packages.with_name("dev_truth.jsonl"))
    assert total > 1000
    # With every device allowed, a result whose extent is known at run time alone takes another path.
    assert lines == ["iso/range_1d ALL: cast no, Core ML ['CPU', 'GPU', 'ANE']"]


def test_checking_needs_neither_torch_nor_coremltools() -> None:
    code = (
        "import sys, pipersr_build.placement.check as check; "
        "check.rules.load(); "
        "sys.exit(','.join({'torch', 'coremltools'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
