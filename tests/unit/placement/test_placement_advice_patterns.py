"""Advice that needs more than one operation: chains, masks, and the size from which on the engine pays."""

import re
from itertools import pairwise

import numpy as np
import pytest
from placement_programs import const, function, operation, tensor, weight

from pipersr_build.evidence import Placement
from pipersr_build.mil.graph import Constant, Function, TensorType
from pipersr_build.placement import advice, break_even, profile, rules
from pipersr_build.placement.predict import predict_function
from pipersr_build.placement.quantities import Graph

Shape = tuple[int, ...]


def advised(program: Function, chip: str = "h16") -> Placement:
    table = rules.load()
    placement = predict_function(program, chip=chip)
    return advice.advise(placement, Graph(program), None, table, table.family(chip))


def verdicts(placement: Placement) -> list[str]:
    return [op.verdict for op in placement.operations]


def told(placement: Placement) -> dict[str, str]:
    return {op.output_name: "\n".join(op.advice) for op in placement.operations}


def shuffled(small: Shape, middle: Shape, perm: Shape, large: Shape) -> Function:
    """A convolution, and a shuffle by hand behind it."""
    hidden = tensor(*small)
    operations = [
        operation("conv", hidden, "c", x="x", weight=weight(small[1], 64, 3, 3)),
        operation("reshape", tensor(*middle), "r1", x="c", shape=const(list(middle))),
        operation("transpose", tensor(*(middle[i] for i in perm)), "t", x="r1", perm=const(list(perm))),
        operation("reshape", tensor(*large), "y", x="t", shape=const(list(large))),
    ]
    return function(operations, x=tensor(1, 64, *small[2:]))


@pytest.mark.parametrize(
    ("middle", "perm", "name"),
    [
        ((1, 3, 2, 2, 128, 128), (0, 1, 4, 2, 5, 3), "pixel_shuffle by 2"),
        ((3, 2, 2, 128, 128), (0, 3, 1, 4, 2), "pixel_shuffle by 2"),
        ((1, 2, 2, 3, 128, 128), (0, 3, 4, 1, 5, 2), "depth_to_space by 2"),
    ],
)
def test_a_shuffle_by_hand_is_named(middle: Shape, perm: Shape, name: str) -> None:
    said = told(advised(shuffled((1, 12, 128, 128), middle, perm, (1, 3, 256, 256))))
    assert said["c"] == ""
    for part in ("r1", "t", "y"):
        assert f"the 3 operations from 'r1' to 'y' are {name}" in said[part]
        assert "rank 5" not in said[part]


def test_the_rank_of_a_shuffle_by_hand_is_why_it_does_not_run() -> None:
    placement = advised(
        shuffled((1, 12, 128, 128), (1, 3, 2, 2, 128, 128), (0, 1, 4, 2, 5, 3), (1, 3, 256, 256))
    )
    assert verdicts(placement) == ["ane", "hard", "hard", "hard"]
    assert any("pixel_shuffle by 2" in text for text in placement.warnings)


def test_windows_of_rank_6_are_written_with_5_axes() -> None:
    perm = (0, 2, 4, 3, 5, 1)
    said = told(advised(shuffled((1, 64, 128, 128), (1, 64, 16, 8, 16, 8), perm, (256, 64, 64))))
    answer = "reshape to (64, 16, 8, 16, 8), transpose by (1, 3, 2, 4, 0), reshape to the end's shape"
    assert answer in said["r1"]
    assert "are pixel" not in said["r1"]


def test_a_chain_that_something_else_reads_is_left_alone() -> None:
    program = shuffled((1, 12, 128, 128), (3, 2, 2, 128, 128), (0, 3, 1, 4, 2), (1, 3, 256, 256))
    more = operation("relu", tensor(3, 2, 2, 128, 128), "also", x="r1")
    program = function([*program.operations, more], x=tensor(1, 64, 128, 128))
    assert "pixel_shuffle" not in told(advised(program))["y"]


def masked(value: float) -> Function:
    mask = Constant(tensor(1, 1, 64, 64), immediate=np.triu(np.full((1, 1, 64, 64), value, np.float16), 1))
    shape = tensor(1, 8, 64, 64)
    masked = operation("add", shape, "m", x="x", y=mask)
    return function([masked, operation("softmax", shape, "y", x="m", axis=const(1))], x=shape)


@pytest.mark.parametrize(
    ("value", "found"), [(-np.inf, True), (-65504.0, True), (-40000.0, False), (0.0, False)]
)
def test_masks_of_minus_infinity(value: float, found: bool) -> None:
    assert ("use -40000" in told(advised(masked(value)))["y"]) == found


@pytest.mark.parametrize(("axes", "found"), [([2, 3], True), ([-2, -1], True), ([1], False), ([3], False)])
def test_pooling_over_the_whole_picture(axes: list[int], found: bool) -> None:
    shape = tuple(1 if i in [a % 4 for a in axes] else n for i, n in enumerate((1, 64, 360, 640)))
    pooled = operation("reduce_mean", tensor(*shape), x="x", axes=const(axes), keep_dims=const(True))
    said = told(advised(function([pooled], x=tensor(1, 64, 360, 640))))["y"]
    assert ("it reads all of 640×360 (28.1 MiB)" in said) == found
    assert ("one vendor reports 2.9 ms for the channel attention of one block" in said) == found


def rooted(squared: str, centred: bool = False, offset: bool = True, root: str = "rsqrt") -> Function:
    """A root of a mean over the channels of something squared."""
    shape, mean = tensor(1, 64, 32, 32), tensor(1, 1, 32, 32)
    base = "d" if centred else "x"
    powers = {
        "mul": operation("mul", shape, "s", x=base, y=base),
        "square": operation("square", shape, "s", x=base),
        "pow": operation("pow", shape, "s", x=base, y=const(2.0)),
        "cube": operation("pow", shape, "s", x=base, y=const(3.0)),
        "product": operation("mul", shape, "s", x=base, y="other"),
    }
    operations = [
        operation("sub", shape, "d", x="x", y="other"),
        powers[squared],
        operation("reduce_mean", mean, "m", x="s", axes=const([1]), keep_dims=const(True)),
        operation("add", mean, "a", x="m", y=const(1e-6)),
        operation(root, mean, "y", x="a" if offset else "m"),
    ]
    return function(operations, x=shape, other=shape)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (rooted("mul"), True),
        (rooted("square", offset=False, root="sqrt"), True),
        (rooted("pow", root="sqrt"), True),
        (rooted("cube"), False),
        (rooted("product"), False),
        (rooted("mul", centred=True), False),  # a standard deviation
    ],
)
def test_a_normalisation_by_the_root_mean_square_is_named(program: Function, found: bool) -> None:
    placement = advised(program)
    assert any("root mean square" in text for text in placement.warnings) == found
    assert "hard" not in verdicts(placement)


@pytest.mark.parametrize(("program", "number"), [(rooted("mul"), 1), (rooted("cube"), 0)])
def test_what_others_report_and_is_not_predicted_comes_with_its_source(
    program: Function, number: int
) -> None:
    found = advice.disputed(Graph(program), None, rules.load(), "H16")
    assert len(found) == number
    assert all("one vendor saw" in text and "vendor's statement [folklore" in text for text in found)


# ------------------------------------------------------------------------------------------- too little work


def body(width: int, height: int, layers: int = 2, channels: int = 64) -> Function:
    """Convolutions of 3×3 in a row."""
    shape = tensor(1, channels, height, width)
    names = ["x", *(f"c{i}" for i in range(layers))]
    kernel = weight(channels, channels, 3, 3)
    operations = [operation("conv", shape, name, x=x, weight=kernel) for x, name in pairwise(names)]
    return function(operations, x=shape)


@pytest.mark.parametrize("chip", ["h13", "h14", "h16", "h17", "h18"])
@pytest.mark.parametrize(("width", "height", "layers"), [(32, 32, 1), (24, 40, 2), (16, 16, 5), (48, 16, 3)])
def test_at_the_size_that_is_advised_the_engine_is_chosen(
    width: int, height: int, layers: int, chip: str
) -> None:
    small = predict_function(body(width, height, layers), chip=chip)
    if "soft" not in verdicts(small):  # nothing is known of what this chip can run, or it is chosen already
        assert set(verdicts(small)) in ({"unknown"}, {"ane"})
        return
    found = break_even.growth(small)
    assert found is not None
    wide, high = found.size(width, height)
    assert set(verdicts(predict_function(body(wide, high, layers), chip=chip))) == {"ane"}
    almost = [int(n * (found.times * 0.9) ** 0.5) for n in (width, height)]
    assert "ane" not in verdicts(predict_function(body(*almost, layers), chip=chip))


def test_a_network_too_small_is_told_how_large_it_must_be() -> None:
    placement = advised(body(32, 32))
    assert verdicts(placement) == ["soft", "soft"]
    (warning,) = [text for text in placement.warnings if "too little work" in text]
    assert re.search(
        r"about 1\.3\d? times as much on, 0\.19\d GFLOP in all: an input of about 64×64", warning
    )
    assert warning.startswith("conv 'c0', conv 'c1': ")
    assert all("too little work" in text for text in told(placement).values())


def test_a_network_that_is_chosen_is_told_nothing() -> None:
    placement = advised(body(128, 128))
    assert break_even.growth(placement) is None
    assert set(told(placement).values()) == {""}


def fenced(side: int) -> Function:
    """A convolution between operations that cannot run on the engine."""
    shape, kernel = tensor(1, 64, side, side), weight(64, 64, 3, 3)
    operations = [
        operation("acos", shape, "first", x="x"),
        operation("conv", shape, "c0", x="first", weight=kernel),
        operation("tan", shape, "last", x="c0"),
    ]
    return function(operations, x=shape)


def test_a_stretch_between_others_needs_more() -> None:
    placement = advised(fenced(48))
    assert verdicts(placement) == ["hard", "soft", "hard"]
    costs = profile.for_family("H16").costs  # type: ignore[union-attr]
    (stretch,) = break_even.stretches(placement, costs, ["last"])
    assert stretch.needed == pytest.approx(0.375)
    assert stretch.saved < stretch.needed
    assert "change acos 'first' and tan 'last' first" in told(placement)["c0"]
    assert verdicts(advised(fenced(80))) == ["hard", "ane", "hard"]


def test_what_the_engine_does_no_faster_is_told_so() -> None:
    shape = tensor(1, 64, 64, 64)
    placement = advised(function([operation("relu", shape, "y", x="x")], x=shape))
    assert verdicts(placement) == ["soft"]
    assert "would save nothing: the estimates are equal" in told(placement)["y"]
    assert break_even.growth(placement) is None


def test_every_sentence_of_the_rule_file_can_be_written() -> None:
    """Each row's words are known to some operation or detector: none is left open."""
    from string import Formatter

    from pipersr_build.placement.quantities import QUANTITIES
    from pipersr_build.placement.words import FOUND, WORDS

    plain = {"operator", "dtypes", "shapes", *QUANTITIES, *WORDS}
    for row in rules.load().advice:
        names = {name for _, name, _, _ in Formatter().parse(row.text) if name}
        assert names <= plain or (row.detector is not None and names <= plain | FOUND), row.id


def test_a_width_of_a_type_that_is_not_known() -> None:
    shape = TensorType("fp16", (1, 64, None, None))
    placement = advised(function([operation("silu", shape, "y", x="x")], x=shape))
    assert verdicts(placement) == ["dynamic"]
    assert told(placement)["y"]
