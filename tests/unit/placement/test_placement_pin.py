"""A pinned placement, and what counts as a change of it."""

import pytest

from pipersr_build.errors import InputError
from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement import pin

CHIP = "M4 (h16)"


def op(name, verdict="ane", preferred="ane", operator="conv"):
    return OperationPlacement(
        output_name=name,
        operator=operator,
        supported=["ane", "cpu"],
        preferred=preferred,
        verdict=verdict,
        reasons=["why"],
    )


def made(*operations, source="predicted", function="main", chip=CHIP, package="net"):
    placement = Placement(source=source, basis="b", function=function, operations=list(operations))
    return pin.snapshot({package: [placement]}, chip)


BEFORE = made(op("a"), op("b"), op("c"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (made(op("a"), op("b"), op("c")), []),
        (made(op("a"), op("c")), ["net, function main: conv 'b' was removed (ane, on ane)"]),
        (
            made(op("a"), op("b"), op("c"), op("d", "hard", "cpu")),
            ["net, function main: conv 'd' was added (hard, on cpu)"],
        ),
        (
            made(op("a"), op("b", "soft", "cpu"), op("c")),
            ["net, function main: conv 'b' went from ane, on ane to soft, on cpu"],
        ),
        (
            made(op("a"), op("b", "ane", "cpu"), op("c")),
            ["net, function main: conv 'b' went from ane, on ane to ane, on cpu"],
        ),
        (
            made(op("a"), op("b", "unknown", None, "relu"), op("c")),
            ["net, function main: relu 'b', conv before, went from ane, on ane to unknown"],
        ),
        (
            made(op("a"), op("b"), op("c"), function="other"),
            ["net, function main: removed", "net, function other: added"],
        ),
        (
            made(op("a"), package="new"),
            ["net: is pinned and was not verified", "new: was not pinned"],
        ),
    ],
)
def test_every_change_is_told(now, expected, tmp_path):
    assert pin.changes(BEFORE, now, tmp_path) == expected


def test_reasons_and_weights_are_not_pinned():
    other = op("b").model_copy(update={"reasons": ["another"], "sources": ["s"], "advice": ["do"]})
    assert made(op("a"), other, op("c")) == BEFORE


def test_a_name_that_occurs_twice_is_compared_by_occurrence(tmp_path):
    before, now = made(op("a"), op("a", "hard", "cpu")), made(op("a"), op("a"))
    assert len(pin.changes(before, now, tmp_path)) == 1


def test_predictions_and_measurements_are_not_compared(tmp_path):
    measured = made(op("a"), source="measured")
    assert measured.chip == ""
    with pytest.raises(InputError, match="the pin was predicted and this is measured") as caught:
        pin.changes(BEFORE, measured, tmp_path)
    assert "--predicted" in caught.value.fix
    with pytest.raises(InputError, match="on a Mac"):
        pin.changes(measured, BEFORE, tmp_path)


def test_predictions_for_other_chips_are_not_compared(tmp_path):
    with pytest.raises(InputError, match=r"for M4 \(h16\) and this is for M1 \(h13\)"):
        pin.changes(BEFORE, made(op("a"), chip="M1 (h13)"), tmp_path)


def test_a_mixture_is_not_pinned():
    both = [Placement(source=source, basis="b", operations=[]) for source in ("predicted", "measured")]
    with pytest.raises(InputError, match="cannot be pinned together"):
        pin.snapshot({"net": both}, CHIP)


def test_a_pin_survives_the_disk(tmp_path):
    pin.save(BEFORE, tmp_path / "pin.json")
    assert pin.load(tmp_path / "pin.json") == BEFORE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "\x00", '{"a": ' * 500])
def test_a_file_that_is_no_pin(tmp_path, text):
    (tmp_path / "pin.json").write_text(text)
    with pytest.raises(InputError, match="no pinned placement"):
        pin.load(tmp_path / "pin.json")
    with pytest.raises(InputError, match="cannot be read"):
        pin.load(tmp_path)
