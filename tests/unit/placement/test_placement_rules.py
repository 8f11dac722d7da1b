import ast
import inspect
from typing import get_args

import pytest
from placement_programs import const, function, one, operation, subject, tensor, weight

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Function
from pipersr_build.mil.ops import TABLE, constexpr
from pipersr_build.placement import rules
from pipersr_build.placement.advice import DETECTORS
from pipersr_build.placement.check import capabilities
from pipersr_build.placement.conditions import mismatches

HEAD = """
format = 1
[families]
H16 = ["M4"]
[sources.measured]
title = "A study, table 1"
evidence = "measured"
through = "Core ML"
chips = ["H16"]
os = "macOS 27"
[sources.compiled]
title = "A study, table 2"
evidence = "measured"
through = "Core ML compiler"
chips = ["H16", "H18"]
os = "macOS 27"
[sources.private]
title = "A guide"
evidence = "measured"
through = "outside Core ML"
chips = ["H16"]
os = "macOS 26"
[sources.network]
title = "A benchmark by Apple"
evidence = "apple-documented"
through = "whole network"
chips = ["H16"]
os = "an iPhone"
[sources.tables]
title = "A disassembly"
evidence = "decompiled"
through = "outside Core ML"
chips = ["H16"]
os = "macOS 26"
[sources.rumour]
title = "A forum"
evidence = "folklore"
through = "Core ML"
chips = ["H16"]
os = "not stated"
[sources.nothing]
title = "A search"
evidence = "none found"
chips = ["H16"]
os = "any"
[sources.apple]
title = "A guide by Apple"
evidence = "apple-documented"
through = "documentation"
chips = ["H16"]
os = "any"
"""


def rule(**changes: str) -> str:
    """The head with one rule; values are TOML."""
    keys = {
        "id": '"one"',
        "operations": '["relu"]',
        "verdict": '"runs"',
        "chips": '["H16"]',
        "sources": '["measured"]',
        "reason": '"{operator} on {shapes}"',
    } | changes
    return HEAD + "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        rules.parse(text)
    return str(caught.value)


def test_a_rule_is_read() -> None:
    table = rules.parse(rule())
    assert table.rule[0].when.model_fields_set == set()
    assert [found.id for found in table.for_operation("relu")] == ["one"]
    assert table.for_operation("silu") == []
    assert table.cite(["measured", "measured"]) == ["A study, table 1 [measured; macOS 27]"]


REFUSED = [
    ({"colour": '"red"'}, "rule.0.colour: Extra inputs"),
    ({"when": "{ coulour = 1 }"}, "rule.0.when.coulour: Extra inputs"),
    (
        {"when": "{ numbers = { weight_of_paper = { at_most = 1 } } }"},
        "no quantity is called 'weight_of_paper'",
    ),
    ({"when": "{ numbers = { kernel = {} } }"}, "a range states no bound"),
    ({"when": "{ numbers = { kernel = { at_lest = 1 } } }"}, "at_lest: Extra inputs"),
    ({"when": '{ dtypes = ["half"] }'}, "no element type is called 'half'"),
    ({"verdict": '"maybe"'}, "rule.0.verdict: Input should be"),
    ({"chips": '["H99"]'}, "rule.0.chips.0: Input should be"),
    ({"chips": "[]"}, "rule.0.chips: Tuple should have at least 1 item"),
    ({"operations": "[]"}, "rule.0.operations: Tuple should have at least 1 item"),
    ({"sources": '["nowhere"]'}, "one: no source is called nowhere"),
    ({"chips": '["H16", "H17"]'}, "one: its sources do not support 'runs' on H17"),
    ({"reason": '"{operator.__class__}"'}, "placeholder {operator.__class__} is not among"),
    ({"reason": '"{kernel!r}"'}, "placeholder {kernel} is not among"),
    ({"reason": '"{kernel:>9999}"'}, "placeholder {kernel} is not among"),
    ({"when": '{ numbers = { kernel = { none_of = "3" } } }'}, "none_of: Input should be a valid tuple"),
    ({"reason": '""'}, "rule.0.reason: String should have at least 1 character"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_rules_that_mean_nothing_are_refused(changes: dict[str, str], words: str) -> None:
    assert words in refused(rule(**changes))


@pytest.mark.parametrize(("kind", "through"), [("none found", '"Core ML"'), ("measured", None)])
def test_evidence_names_its_path_and_no_evidence_has_none(kind: str, through: str | None) -> None:
    path = f"through = {through}\n" if through else ""
    source = f'[sources.odd]\ntitle = "t"\nevidence = "{kind}"\n{path}chips = []\nos = "any"\n'
    assert "evidence names its path" in refused(rule() + source)


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("apple", {"runs", "does not run", "unknown"}),
        ("measured", {"runs", "does not run", "unknown"}),
        ("compiled", {"runs", "unknown"}),
        ("private", {"runs", "unknown"}),
        ("network", {"runs", "unknown"}),
        ("tables", {"runs", "unknown"}),
        ("rumour", {"runs", "unknown"}),
        ("nothing", {"unknown"}),
    ],
)
@pytest.mark.parametrize("verdict", get_args(rules.RuleVerdict))
def test_a_claim_needs_evidence_of_its_strength(source: str, allowed: set[str], verdict: str) -> None:
    text = rule(sources=f'["{source}"]', verdict=f'"{verdict}"')
    if verdict in allowed:
        assert rules.parse(text).rule[0].verdict == verdict
    else:
        assert f"one: its sources do not support '{verdict}' on H16" in refused(text)


def test_weak_evidence_beside_strong_does_not_widen_the_chips() -> None:
    text = rule(sources='["measured", "compiled"]', verdict='"does not run"', chips='["H16", "H18"]')
    assert "do not support 'does not run' on H18" in refused(text)


SHOWN = [
    ("apple", ()),
    ("compiled", ()),
    ("private", ("measured outside Core ML on macOS 26",)),
    ("network", ("inferred from the time of whole networks on an iPhone",)),
    ("tables", ("from the compiler's tables (decompiled)",)),
    ("rumour", ("a vendor's statement",)),
]


@pytest.mark.parametrize(("source", "kinds"), SHOWN)
def test_a_yes_by_weaker_evidence_shows_its_kind(source: str, kinds: tuple[str, ...]) -> None:
    table = rules.parse(rule(sources=f'["{source}"]'))
    found = capabilities(one("relu"), ruleset=table)[0]
    assert (found.answer, found.weaker) == ("yes", kinds)
    assert found.reasons[0].partition(": ")[2] == "; ".join(kinds)


def test_firm_evidence_is_preferred_and_weak_beside_it_is_not_shown() -> None:
    both = rules.parse(rule(sources='["tables", "measured"]'))
    assert capabilities(one("relu"), ruleset=both)[0].weaker == ()
    second = rule().removeprefix(HEAD).replace('"one"', '"two"')
    two = rules.parse(rule(sources='["tables"]') + second)
    assert capabilities(one("relu"), ruleset=two)[0].weaker == ()


def test_an_id_is_used_once_across_rules_and_advice() -> None:
    advice = (
        '[[advice]]\nid = "one"\noperations = ["relu"]\nchips = ["H16"]\nsources = ["apple"]\ntext = "t"\n'
    )
    assert "ids used twice: one" in refused(rule() + advice)


def test_text_that_is_not_toml_is_refused() -> None:
    assert "the placement rules are not TOML" in refused("[rule")


def test_the_shipped_rules_name_only_known_chips_and_every_detector() -> None:
    table = rules.load()
    assert set(table.families) == set(get_args(rules.Family))
    assert set(DETECTORS) == set(get_args(rules.Detector)) == {row.detector for row in table.advice} - {None}
    cited = {name for row in (*table.rule, *table.advice) for name in row.sources}
    assert cited == set(table.sources)


def test_every_operation_that_the_interpreter_runs_has_a_row() -> None:
    table = rules.load()
    own = {name for row in table.rule for name in row.operations}
    assert sorted({*TABLE, *constexpr.TABLE} - own) == []


def written_by_the_back_end() -> set[str]:
    """Operation types that coremltools makes up while it writes a package, read from its source."""
    from coremltools.converters.mil.backend.mil import load

    calls = [node for node in ast.walk(ast.parse(inspect.getsource(load))) if isinstance(node, ast.Call)]
    given = [keyword for call in calls for keyword in call.keywords if keyword.arg == "type"]
    values = [keyword.value for keyword in given]
    return {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}


def test_the_back_end_takes_a_state_apart_into_two_operations() -> None:
    quiet.coremltools()
    assert {"read_state", "write_state"} <= written_by_the_back_end()


def test_every_operation_that_coremltools_knows_has_a_row_and_no_row_is_about_another() -> None:
    quiet.coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    known = {*SSAOpRegistry.core_ops, *SSAOpRegistry.dialect_ops, *written_by_the_back_end()}
    rows = {name for row in rules.load().rule for name in row.operations} - {rules.ANY}
    assert len(known) > 150
    assert known == rows


@pytest.mark.parametrize("chip", get_args(rules.Family))
def test_on_every_chip_an_operation_has_a_row_or_evidence_elsewhere(chip: str) -> None:
    table = rules.load()
    for name in {name for row in table.rule for name in row.operations} - {rules.ANY}:
        found = capabilities(one(name), chip=chip)[0]
        assert found.answer in ("yes", "no", "unknown")
        assert found.reasons and found.sources, name  # noqa: PT018


def test_where_nothing_was_found_the_source_says_so() -> None:
    table = rules.load()
    nothing = [name for name, source in table.sources.items() if source.evidence == "none found"]
    assert len(nothing) == 1
    verdicts = {rule.verdict for rule in table.rule if set(nothing).intersection(rule.sources)}
    assert verdicts == {"unknown"}


def test_only_apples_word_and_core_mls_own_answer_say_no() -> None:
    table = rules.load()
    for rule in table.rule:
        kinds = {(table.sources[n].evidence, table.sources[n].through) for n in rule.sources}
        strong = {("apple-documented", "documentation"), ("measured", "Core ML")}
        assert rule.verdict != "does not run" or kinds & strong, rule.id


SINGLE, LARGE, VAST = tensor(1, 64, 1), tensor(1, 64, 129, 129), tensor(1, 64, 200, 200)
NUMBER = tensor(4, 1, dtype="int8")
INT8 = {"data": weight(64, 64, dtype="int8"), "quantized_data": weight(64, 64, dtype="int8")}
SCALED = function(
    [operation("reduce_max", SINGLE, "m", x="x"), operation("real_div", x="x", y="m")], x=SINGLE
)
BLUEPRINT = function(
    [
        operation("conv", name="p", x="x", weight=weight(64, 64, 1, 1)),
        operation("conv", x="p", weight=weight(64, 1, 3, 3), groups=const(64)),
    ],
    x=SINGLE,
)
NOTES = [
    ("singleton-row", one("relu", SINGLE, x=SINGLE), one("relu")),
    ("singleton-row", one("cast", NUMBER, x=NUMBER), one("relu", tensor(1), x=tensor(1))),
    ("not-swept-m5", one("relu", VAST, x=VAST), one("relu", LARGE, x=LARGE)),
    (
        "width-transposed",
        one("transpose", perm=const([0, 2, 3, 1])),
        one("transpose", perm=const([1, 0, 2, 3])),
    ),
    ("weights-in-int8", one("constexpr_affine_dequantize", **INT8), one("constexpr_affine_dequantize")),
    ("weights-in-int8-scaled", one("constexpr_blockwise_shift_scale", **INT8), one("conv", **INT8)),
    ("sparse-weights", one("constexpr_sparse_to_dense"), one("constexpr_cast")),
    ("int8-activations", one("quantize"), one("dequantize")),
    ("not-swept", one("relu", LARGE, x=LARGE), one("relu")),
    ("root-mean-square", SCALED, one("real_div", z=SINGLE)),
    ("blueprint-separable", BLUEPRINT, one("conv", weight=weight(64, 1, 3, 3), groups=const(64))),
    ("model-size", one("conv", weight=weight(32000, 32000)), one("conv", weight=weight(64, 64))),
]


@pytest.mark.parametrize(("row", "with_", "without"), NOTES, ids=[note[0] for note in NOTES])
def test_a_note_comes_where_it_concerns_the_operation(row: str, with_: Function, without: Function) -> None:
    advice = next(advice for advice in rules.load().advice if advice.id == row)

    def comes(program: Function) -> bool:
        last = subject(program)
        return advice.concerns(last.operation.type) and not mismatches(advice.when, last)

    assert comes(with_)
    assert not comes(without)


REQUIRED = """
conv conv_transpose batch_norm instance_norm layer_norm l2_norm local_response_norm relu relu6 leaky_relu
prelu elu thresholded_relu sigmoid sigmoid_hard silu tanh scaled_tanh softplus softsign gelu erf softmax
clip cast concat split stack slice_by_index slice_by_size reshape transpose squeeze expand_dims tile reverse
pad gather gather_nd gather_along_axis topk pixel_shuffle pixel_unshuffle depth_to_space space_to_depth
space_to_batch batch_to_space upsample_nearest_neighbor upsample_bilinear resize_nearest_neighbor
resize_bilinear resize crop_resize resample affine max_pool avg_pool l2_pool reduce_sum reduce_mean
reduce_max reduce_min reduce_prod reduce_argmax reduce_argmin reduce_l1_norm reduce_l2_norm reduce_log_sum
reduce_log_sum_exp reduce_sum_square linear matmul scaled_dot_product_attention quantize dequantize cumsum
select add sub mul real_div floor_div mod maximum minimum equal not_equal greater greater_equal less
less_equal logical_and logical_or logical_not logical_xor exp exp2 log sqrt rsqrt inverse pow abs sign
square floor ceil round sin cos tan asin acos atan sinh cosh atanh constexpr_lut_to_dense
constexpr_affine_dequantize constexpr_blockwise_shift_scale constexpr_cast constexpr_sparse_to_dense
"""


@pytest.mark.parametrize("operator", REQUIRED.split())
def test_the_operations_of_super_resolution_have_rows(operator: str) -> None:
    assert any(rules.ANY not in row.operations for row in rules.load().for_operation(operator))


def test_chips_go_by_family_or_name_in_any_case() -> None:
    table = rules.load()
    assert [table.family(name) for name in ("h13", "H16", "m4", "A17 pro", "M6")] == [
        "H13",
        "H16",
        "H16",
        "H16",
        "H18",
    ]
