import math

import pytest

from pipersr_build import machine
from pipersr_build.benchmark import latency, latency_tables
from pipersr_build.benchmark.latency import Row
from pipersr_build.placement import chips
from pipersr_build.report import documents


@pytest.fixture(scope="module")
def record():
    return latency.check(machine.provenance("pipersr-build bench latency"))


def row(published, network="a", regime="large maps", counted="counted"):
    """A row that is predicted at 1 ms without any spread."""
    return Row(
        what=network, network=network, chip="M2", gflop=1, published=published, evidence="measured",
        source="s", low=1 / 1.35, expected=1, high=1.35, fastest=1, slowest=1, bound="compute",
        regime=regime, counted=counted,
    )  # fmt: skip


def test_the_shipped_errors_are_what_the_rule_gives(record):
    shipped = chips.load().band
    assert record.errors == shipped.by_kind
    assert set(record.errors) == set(latency.REGIMES)


def test_the_committed_record_is_what_the_code_computes(record):
    kept = latency.load_record(documents.RECORDS / "latency.json")
    assert kept.rows == record.rows
    assert kept.roofline == record.roofline
    assert kept.errors == record.errors
    assert (kept.tallies, kept.merged) == (record.tallies, record.merged)
    assert (documents.ROOT / "docs" / "latency.svg").read_text() == documents.latency_plot()


def test_no_more_than_one_counted_row_in_ten_lies_outside(record):
    counted = [row for row in record.rows if row.counted == "counted"]
    assert len(counted) >= 39
    assert sum(not row.inside for row in counted) <= 0.1 * len(counted)


@pytest.mark.parametrize("start", ["PiperSR, 640x360", "PiperSR, 854x480", "PiperSR, 1280x720", "ResNet50",
                                   "MobileNetV2", "convolution 3x3, 64 channels, 640x360"])  # fmt: skip
def test_the_named_networks_lie_in_their_bands(record, start):
    rows = [row for row in record.rows if row.what.startswith(start) and row.counted == "counted"]
    assert rows
    assert all(row.inside for row in rows)


def test_a_row_that_cannot_be_explained_stands_in_the_table_and_does_not_count(record):
    [tiled] = [row for row in record.rows if row.what == "PiperSR, 128x128"]
    assert tiled.counted == "excluded"
    assert not tiled.inside
    assert "(excluded)" in latency_tables.table(record)


def test_rows_of_one_kind_from_one_source_are_treated_alike():
    single = [
        one for one in latency.published().row if (one.network, one.layers, one.chip) == ("conv", 1, "M1")
    ]
    assert len(single) == 4
    assert {one.counted for one in single} == {"counted"}


def test_only_rows_whose_source_says_so_are_excluded():
    excluded = [one for one in latency.published().row if one.excluded]
    copies = [one for one in excluded if "the source says that host copies are included" in one.excluded]
    [other] = [one for one in excluded if one not in copies]
    assert {one.source for one in copies} == {"forge"}
    assert (other.network, other.size) == ("PiperSR", (128, 128))


def test_the_tallies_say_what_the_excluded_rows_would_change(record):
    large = record.tallies["large maps"]
    assert large.all_rows > large.counted
    assert large.all_factor > large.factor
    assert record.merged > record.errors["large maps"]
    every = sum(found.all_rows for found in record.tallies.values())
    assert every == sum(row.counted != "defines a rate" for row in record.rows)
    shown = latency_tables.table(record)
    assert f"{large.all_inside} of {large.all_rows}" in shown
    assert f"the factor {record.merged:.2f}" in shown


def test_times_that_are_computed_from_a_rate_follow_from_it():
    rates = [one for one in latency.published().row if one.printed.endswith(" TFLOP/s")]
    for one in rates:
        gflop = sum(cost.flop for cost in latency.segment(one).costs) / 1e9
        assert gflop / one.ms == pytest.approx(float(one.printed.split()[0]), rel=0.005)
    pictures = [one for one in latency.published().row if one.printed.endswith(" pictures/s")]
    for one in pictures:
        assert 1e3 * one.batch / one.ms == pytest.approx(float(one.printed.split()[0]), rel=0.005)
    assert (len(rates), len(pictures)) == (12, 4)
    assert "published as 0.063 TFLOP/s" in rates[[one.size for one in rates].index((16, 16))].remark


def test_rows_that_define_a_rate_do_not_count():
    defining = [one for one in latency.published().row if one.defines]
    assert {one.chip for one in defining} >= {"M1", "M2", "M4", "A18 Pro", "A19 Pro"}
    assert all(one.counted == "defines a rate" for one in defining)


def test_every_row_names_a_source_and_a_network_that_exist():
    found = latency.published()
    for one in found.row:
        assert one.source in found.sources
        assert latency.segment(one).costs
    assert all(item.source in found.sources for item in found.unchecked)


def test_the_error_is_a_quantile_and_not_the_worst_row():
    rows = [row(math.exp(0.02 * n), network=f"n{n}") for n in range(1, 31)]
    assert latency.error([*rows, row(9.0)], "large maps") < 9
    assert latency.error(rows, "large maps") == 1.8  # the 28th of 30: exp(0.56) = 1.75, rounded up
    assert latency.error(rows, "small maps") == latency.LEAST
    assert latency.error([row(9.0, counted="excluded")], "large maps") == latency.LEAST


def test_what_the_sources_spread_covers_is_no_error():
    wide = row(2.0).model_copy(update={"slowest": 2.5})
    assert wide.beyond == 0
    assert row(2.0).beyond == pytest.approx(math.log(2))
    assert row(0.5).beyond == pytest.approx(math.log(2))


def test_rows_held_out_are_judged_by_the_other_networks():
    rows = [row(1.3, network="a"), row(1.2, network="b"), row(4.0, network="c"), row(4.0, network="c")]
    assert latency.held_out(rows, "large maps") == (2, 4)


def test_the_claim_holds_for_single_layers_and_not_for_the_network(record):
    roof = record.roofline
    reached = [p.tflops * 1e3 / (p.intensity * roof.bandwidth) for p in roof.points]
    assert all(0.7 < share < 1 for share in reached[:3])
    assert reached[3] > 2  # more than the stream allows, were all maps in memory
    assert roof.convolutions > 1.5 * roof.claimed
    assert roof.points[3].tflops < roof.tflops * roof.share
