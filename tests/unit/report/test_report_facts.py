import subprocess
import sys

import pytest
from report_records import HELD_OUT, IMAGE, full, minimal, scores

from pipersr_build.evidence import CensusComparison, judge
from pipersr_build.report import facts


def test_tally_keeps_predictions_apart():
    assert facts.tally(full().gates) == facts.Tally(
        total=8, passed=3, passed_predicted=1, failed=1, unknown=1, not_measured=2
    )
    assert facts.summary(facts.tally([])) == "0 passed, 0 failed"


def test_a_missing_measurement_is_written_exactly_so():
    gate = judge("a", "b", None, "at most", 1, "dB", source="not measured", command="c")
    assert facts.verdict_label(gate) == facts.value_label(gate) == "not measured"


def test_miss_is_never_zero():
    gate = judge("a", "b", 49.9999, "at least", 50, "dB", command="c")
    assert facts.miss_label(gate) == "0.0001 dB"
    assert facts.miss_label(judge("a", "b", None, "at least", 50, "dB", command="c")) == ""


def test_headline_prefers_held_out_pictures_beside_bicubic():
    record = full()
    assert facts.headline(record).group.dataset == "held out"
    swapped = record.model_copy(update={"quality": record.quality[::-1]})
    assert facts.headline(swapped).group.dataset == "held out"
    assert facts.headline(minimal()) is None


def test_headline_prefers_a_package_to_its_checkpoint():
    rows = [scores(name, "held out", HELD_OUT, 30.0, 0.9) for name in ("checkpoint", IMAGE)]
    assert facts.headline(full().model_copy(update={"quality": rows})).ours.subject == IMAGE


def test_bicubic_alone_is_no_headline():
    record = full().model_copy(update={"quality": full().quality[:1]})
    assert facts.headline(record) is None


def test_gain_needs_the_same_pictures():
    rows = [scores("Bicubic", "x", ["a", "b"], 29.0, 0.9), scores("ours", "x", ["a"], 31.0, 0.9)]
    group = facts.quality_groups(full().model_copy(update={"quality": rows}))[0]
    assert group.reference is rows[0]
    assert group.gain(rows[1]) is None
    assert [score is None for score in group.scores("b")] == [False, True]


def test_groups_do_not_mix_protocols():
    other = full().quality[0].model_copy(update={"protocol": "y_uint8"})
    groups = facts.quality_groups(full().model_copy(update={"quality": [*full().quality, other]}))
    assert [(g.dataset, g.protocol, len(g.rows)) for g in groups] == [
        ("held out", "y_float", 2), ("Set5", "y_float", 2), ("held out", "y_uint8", 1)]  # fmt: skip


def test_bicubic_level_is_of_the_held_out_pictures_only():
    record = full()
    assert facts.bicubic_level(record) == pytest.approx(29.1)
    assert facts.bicubic_level(record.model_copy(update={"quality": record.quality[2:]})) is None
    assert facts.bicubic_level(minimal()) is None


def test_pictures_are_compared_without_folder_and_ending():
    assert facts.same_pictures(["photos/a.webp", "b"], ["b.png", "a"])
    assert not facts.same_pictures(["a"], ["a", "b"])
    assert not facts.same_pictures([], [])


def test_held_out_points_far_too_low_are_left_off():
    training = full().training
    assert len(facts.held_out_points(training, 29.1)) == len(training.validation) - 1
    assert len(facts.held_out_points(training, None)) == len(training.validation) - 1
    early = training.model_copy(update={"validation": training.validation[:1]})
    assert facts.held_out_points(early, 29.1) == [(0.0, 8.41)]


def test_census_rows_cover_both_sides():
    rows = facts.census_rows(
        CensusComparison(io="x", before={"conv": 2, "bn": 3}, after={"conv": 2, "mul": 1})
    )
    assert [(row.operation, row.before, row.after) for row in rows] == [
        ("bn", 3, 0), ("conv", 2, 2), ("mul", 0, 1)]  # fmt: skip


def test_nested_configuration_is_flat():
    assert facts.flat({"a": {"b_c": 1, "d": [True, None]}, "e": 0.5}) == [
        ("a.b c", "1"), ("a.d", "yes, none"), ("e", "0.5")]  # fmt: skip


def test_rendering_needs_neither_torch_nor_coremltools():
    program = (
        "import sys, pipersr_build.report, pipersr_build.report.html, pipersr_build.report.card,"
        " pipersr_build.report.table\n"
        "assert not {'torch', 'coremltools', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_only_the_table_needs_rich():
    program = (
        "import sys, pipersr_build.report.html, pipersr_build.report.card\nassert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
