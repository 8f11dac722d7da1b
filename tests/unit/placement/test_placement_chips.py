import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipersr_build.errors import InputError
from pipersr_build.placement import chips
from pipersr_build.placement import rules as rule_file

TEXT = resources.files("pipersr_build.placement").joinpath("chips.toml").read_text(encoding="utf-8")
CHIPS = chips.load()


def test_every_chip_of_the_rules_is_here_with_the_same_family():
    families = rule_file.load().families
    assert CHIPS.chips == {name: family for family, names in families.items() for name in names}


def test_every_chip_but_the_one_without_a_source_has_a_rate():
    assert [chip.name for chip in CHIPS.table.values() if not chip.known] == ["A19"]


def test_every_known_chip_has_all_that_an_estimate_needs():
    needed = {"conv", "matmul", "activations", "weights", "movement", "call", "switch", "int8"}
    for chip in CHIPS.table.values():
        assert needed <= set(chip.rates) or not chip.known, chip.name


def test_inferred_rates_say_from_what():
    for chip in CHIPS.table.values():
        assert all(rate.note for rate in chip.inferred)
    assert "conv" in [rate.quantity for rate in CHIPS.table["A14"].inferred]
    assert "conv" not in [rate.quantity for rate in CHIPS.table["M1"].inferred]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("m2", ["M2"]),
        ("M4 Max", ["M4"]),
        ("m1-ultra", ["M1"]),
        ("a17 PRO", ["A17 Pro"]),
        ("A18", ["A18"]),
        ("h16", ["A17 Pro", "M4"]),
    ],
)
def test_names(text, names):
    assert [chip.name for chip in CHIPS.named(text)] == names


@pytest.mark.parametrize(("text", "name"), [("h16", "M4"), ("H13", "M1"), ("a18", "A18"), ("m2", "M2")])
def test_a_family_alone_stands_for_its_mac(text, name):
    assert CHIPS.one(text).name == name


@pytest.mark.parametrize("text", ["", "m9", "a14 max", "h12", "pro"])
def test_unknown_names_are_refused(text):
    with pytest.raises(InputError, match="no chip is called"):
        CHIPS.named(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('note = "M1 and M5 agree on it"\n', "", "does not say from what"),
        ("slowest = 14.3", "slowest = 21.3", "mixed up"),
        ("slowest = 0.355", "slowest = 0.1", "mixed up"),
        ('source = "forge"', 'source = "hearsay"', "no source is called"),
        ('chips = ["M3"]', 'chips = ["M2"]', "a second row"),
        ('chips = ["M3"]', 'chips = ["M7"]', "an unknown chip"),
        ("expected = 16.77", "expected = -1", "greater than 0"),
        ("limits = [10.0, 66.0]", "limits = [10.0]", "do not fit"),
    ],
)
def test_a_file_that_claims_nonsense_is_refused(old, new, message):
    assert old in TEXT
    with pytest.raises(ValidationError, match=message):
        chips.parse(TEXT.replace(old, new, 1))


def test_shares_meet_their_points():
    table = tomllib.loads(TEXT)["channels"]
    for width, share in zip(table["widths"], table["shares"], strict=True):
        assert CHIPS.channels.at(width) == pytest.approx(share)
    assert CHIPS.channels.at(0.5) == CHIPS.channels.at(1)
    assert CHIPS.channels.at(4096) == 1.0


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4))
def test_more_channels_and_more_intensity_never_reach_less(a, b):
    low, high = sorted((a, b))
    assert CHIPS.channels.at(low) <= CHIPS.channels.at(high)
    assert CHIPS.intensity.at(low) <= CHIPS.intensity.at(high)


@given(st.integers(1, 10**7))
def test_work_units_are_full_at_multiples_and_never_more_than_full(pixels):
    unit = CHIPS.pixels
    assert 0 < unit.share(pixels) <= 1
    assert unit.share(unit.unit * pixels) == 1
    assert unit.share(0) == 1  # nothing to fill
