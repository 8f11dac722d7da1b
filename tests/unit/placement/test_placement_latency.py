import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.placement import chips, latency
from pipersr_build.placement.latency import Cost, Segment

M2 = chips.load().table["M2"]
M6 = chips.load().table["M6"]


def dense(flop=1e10, **more):
    """A convolution that reaches the whole rate."""
    return Cost(kind="conv", flop=flop, moved=1e6, width=256, pixels=128 * 128, **more)


def on_engine(*costs, boundary=0.0):
    return [Segment("ane", costs, boundary)]


def test_a_dense_convolution_takes_its_flop_at_the_chips_rate():
    assert latency.seconds(dense(14.56e12), M2) == pytest.approx(1.0)
    terms = latency.terms(on_engine(dense(14.56e10)), M2)
    assert terms.compute == pytest.approx(10.0)
    assert terms.total == pytest.approx(10.2)
    assert terms.bound == "compute"


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"width": 64}, 1 / 0.74),
        ({"moved": 1e10 / 32}, 1 / 0.443),  # FLOP per byte as a 1x1 of 64 channels
        ({"width": 1, "moved": 1e10 / 4.5}, 1 / 0.029),  # as a depthwise 3x3
        ({"pixels": 49}, 128 / 49),
        ({"pixels": 129}, 256 / 129),
    ],
)
def test_what_keeps_a_convolution_from_its_rate(change, factor):
    settings = {"kind": "conv", "flop": 1e10, "moved": 1e6, "width": 256, "pixels": 128 * 128}
    ratio = latency.seconds(Cost(**{**settings, **change}), M2) / latency.seconds(Cost(**settings), M2)
    assert ratio == pytest.approx(factor)


def test_dense_three_by_three_gains_only_where_it_was_seen():
    plain, three = latency.seconds(dense(), M6), latency.seconds(dense(dense3=True), M6)
    assert plain / three == pytest.approx(1.45)
    assert latency.seconds(dense(), M2) == latency.seconds(dense(dense3=True), M2)


def test_int8_gains_on_the_families_that_have_it():
    m4 = chips.load().table["M4"]
    assert latency.seconds(dense(), m4) / latency.seconds(dense(int8=True), m4) == pytest.approx(1.94)


def test_element_by_element_operations_ride_and_others_move_their_bytes():
    assert latency.seconds(Cost(kind="silu", flop=1e9, moved=1e9), M2) == 0
    assert latency.seconds(Cost(kind="softmax", moved=73e9), M2) == pytest.approx(1)
    assert latency.seconds(Cost(kind="matmul", flop=3.4e12), M2) == pytest.approx(1)


def test_the_longest_of_compute_and_stream_counts_once():
    streamed = latency.terms(on_engine(dense(14.56e9), boundary=48e6), M2)
    assert streamed.compute == pytest.approx(1)
    assert streamed.activations == pytest.approx(2)
    assert streamed.work == pytest.approx(2)
    assert streamed.bound == "activations"


def test_weights_are_read_while_their_own_layer_computes():
    light, heavy = dense(14.56e9), dense(14.56e6, constant=59e6)
    terms = latency.terms(on_engine(light, heavy), M2)
    assert terms.weights == pytest.approx(1)
    assert terms.work == pytest.approx(2)  # one layer computes for 1 ms, the other reads for 1 ms


def test_a_map_that_is_fetched_again_is_streamed():
    again = Cost(kind="reduce_mean", refetched=24e6)
    terms = latency.terms(on_engine(dense(14.56e9), again, boundary=12e6), M2)
    assert terms.activations == pytest.approx(1.5)
    assert terms.work == pytest.approx(2)  # 1 ms of computing hides the edges, and not the fence


def test_other_devices_count_with_their_own_estimate_and_the_switches():
    parts = [
        *on_engine(dense()),
        Segment("cpu", (Cost(kind="topk", elsewhere=3.0),), 0.0),
        *on_engine(dense()),
    ]
    terms = latency.terms(parts, M2)
    assert terms.elsewhere == 3.0
    assert terms.switches == pytest.approx(0.25)
    assert latency.band(parts, M2).known


def test_without_an_estimate_for_another_device_there_is_no_figure():
    band = latency.band([Segment("cpu", (Cost(kind="topk"),), 0.0)], M2)
    assert not band.known
    assert not band.holds(1.0)


def test_a_chip_without_a_rate_gets_no_figure():
    band = latency.band(on_engine(dense()), chips.load().table["A19"])
    assert not band.known
    assert band.bound is None


def test_the_kind_of_network_decides_the_error():
    errors = chips.load().band
    large = latency.band(on_engine(dense(1e12)), M2)
    small = latency.band(on_engine(Cost(kind="conv", flop=1e12, width=256, pixels=196)), M2)
    assert (large.regime, small.regime) == ("large maps", "small maps")
    _, _, slow = latency.spread(on_engine(dense(1e12)), M2)
    assert large.high == pytest.approx(slow * errors.large)
    assert small.high / small.expected > large.high / large.expected


def test_what_streams_longer_than_it_computes_has_an_error_of_its_own():
    streamed = on_engine(dense(14.56e9), boundary=48e6)  # 1 ms of computing, 2 ms of streaming
    computing = on_engine(dense(14.56e9), boundary=12e6)
    assert latency.regime(streamed, M2) == "streamed"
    assert latency.regime(computing, M2) == "large maps"
    _, _, slow = latency.spread(streamed, M2)
    assert latency.band(streamed, M2).high == pytest.approx(slow * chips.load().band.streamed)


layers = st.lists(
    st.builds(
        Cost,
        kind=st.sampled_from(["conv", "silu", "softmax", "matmul"]),
        flop=st.floats(0, 1e12),
        moved=st.floats(1, 1e9),
        constant=st.floats(0, 1e8),
        width=st.floats(1, 2048),
        pixels=st.integers(1, 10**6).map(float),
    ),
    min_size=1,
    max_size=5,
)


@given(layers, st.floats(0, 1e9), st.sampled_from(["M1", "M2", "M5", "M6", "A14", "A19 Pro"]))
def test_the_band_is_in_order_and_more_work_is_never_faster(costs, boundary, name):
    chip = chips.load().table[name]
    band = latency.band(on_engine(*costs, boundary=boundary), chip)
    assert 0 < band.low <= band.expected <= band.high < math.inf
    more = latency.band(on_engine(*costs, dense(), boundary=2 * boundary), chip)
    assert more.expected >= band.expected
