import math

import pytest

from pipersr_build.report import format as fmt


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (37.604, "dB", "37.60 dB"),
        (math.inf, "dB", "∞ dB"),
        (math.nan, "dB", "not a number dB"),
        (1.0, "share", "100 %"),
        (0.875, "share", "87.5 %"),
        (0.875, "share of operations", "87.5 % of operations"),
        (918_204, "bytes", "0.92 MB"),
        (453_388, "parameters", "453,388 parameters"),
        (0, "operations", "0 operations"),
        (4.9e-4, "of 1", "4.9e-04 of 1"),
        (0.031, "[0, 1]", "3.1e-02 [0, 1]"),
        (0.003, "", "3.0e-03"),
        (1.234, "ms", "1.23 ms"),
        (1, "8-bit levels", "1 (8-bit levels)"),
        (1, "levels", "1 level"),
        (2, "levels of 255", "2 levels of 255"),
        (1.0, "times", "1.000 times"),
    ],
)
def test_quantity(value, unit, text):
    assert fmt.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "limit", "unit", "text"),
    [
        (59.998, 60, "dB", "59.998 dB"),
        (60.0, 60, "dB", "60.00 dB"),
        (0.99996, 1.0, "share", "99.996 %"),
        (0.56999, 0.57, "share of operations", "56.999 % of operations"),
        (1.004e-3, 1e-3, "of 1", "1.004e-03 of 1"),
        (1e-15, 0.0, "dB", "0.000000000000 dB"),
    ],
)
def test_a_value_beside_its_threshold_looks_different(value, limit, unit, text):
    assert fmt.quantity(value, unit, against=limit) == text


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.9999, "99.99 %"), (0.5, "50 %")])
def test_less_than_all_is_never_all(share, text):
    assert fmt.quantity(share, "share", against=1.0) == text


@pytest.mark.parametrize(
    ("value", "unit", "direction", "text"),
    [
        (50, "dB", "at least", "≥ 50 dB"),
        (37.54, "dB", "at least", "≥ 37.54 dB"),
        (0.99, "share", "at least", "≥ 99 %"),
        (1.0, "share of operations", "at least", "≥ 100 % of operations"),
        (2, "levels of 255", "at most", "≤ 2 levels of 255"),
        (1e-9, "of the largest output", "at most", "≤ 1.0e-09 of the largest output"),
        (2_000_000, "bytes", "at most", "≤ 2 MB"),
    ],
)
def test_threshold(value, unit, direction, text):
    assert fmt.threshold(value, unit, direction) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.42, "8.4 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (750, "12 min 30 s"),
        (11_100, "3 h 05 min"),
        (0, "0.0 s"),
    ],
)
def test_duration(seconds, text):
    assert fmt.duration(seconds) == text


def test_small_words():
    assert fmt.gain(-0.126) == "−0.13 dB"
    assert fmt.gain(3.931) == "+3.93 dB"
    assert fmt.decibels(37.6041, 3) == "37.604 dB"
    assert fmt.megabytes(12_400_000) == "12.40 MB"
    assert fmt.megabytes(918_204) == "0.918 MB"
    assert fmt.scientific(0) == "0"
    assert fmt.scientific(0.00049) == "4.9e-04"
    assert fmt.ssim(0.95931) == "0.9593"
    assert fmt.short_hash("a" * 64) == "a" * 12


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), (True, "yes"), (False, "no"), (453_388, "453,388"), (2e-4, "0.0002"),
        ([1, 2], "1, 2"), ([], "none"), ("word", "word"), (math.inf, "∞"),
    ],
)  # fmt: skip
def test_plain(value, text):
    assert fmt.plain(value) == text
