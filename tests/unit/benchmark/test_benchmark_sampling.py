import numpy as np
import pytest

from pipersr_build.benchmark import sampling
from pipersr_build.benchmark.record import Figure
from pipersr_build.benchmark.sampling import DecodingSampler, measure
from pipersr_build.data.sampler import PatchSampler


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SIZE", (310, 700))
    monkeypatch.setattr(sampling, "ROUNDS", 3)


def test_both_ways_give_the_same_kind_of_batch(tmp_path) -> None:
    pairs = [sampling._prepare(tmp_path, index) for index in range(2)]
    assert [pair.hr.shape for pair in pairs] == [(310, 700, 3)] * 2
    ours = PatchSampler(pairs, sampling.PATCH, sampling.SCALE, sampling.BATCH, 0).batch(0)
    decoding = DecodingSampler(tmp_path, 2)
    for made, decoded in zip(ours, decoding.batch(), strict=True):
        assert made.permute(0, 2, 3, 1).shape == decoded.shape
        assert made.numpy().dtype == decoded.dtype
        assert 0 <= decoded.min() < 0.3 < 0.7 < decoded.max() <= 1
    decoding.files = decoding.files[:1]
    lr, hr = decoding._patch()
    windows = np.lib.stride_tricks.sliding_window_view(pairs[0].hr, hr.shape)
    tops, lefts = np.nonzero((windows[:, :, 0, 0, 0] == hr[0, 0]).all(-1))
    places = [(t, x) for t, x in zip(tops, lefts, strict=True) if np.array_equal(windows[t, x, 0], hr)]
    assert places  # the HR patch is a piece of the picture, and the LR patch of its small version
    assert any(np.array_equal(pairs[0].lr[t // 2 :, x // 2 :][:32, :32], lr) for t, x in places)


def test_pictures_differ_and_fill_their_size() -> None:
    first, second = sampling._mosaic(0), sampling._mosaic(1)
    assert first.shape == second.shape == (310, 700, 3)
    assert not np.array_equal(first, second)


def test_measure_compares_rates() -> None:
    [figure] = measure()
    assert figure.direction == "at least"
    assert figure.limit == 20
    assert figure.value > 1
    assert "700x310" in figure.detail


@pytest.mark.parametrize(
    ("direction", "value", "holds", "bound"),
    [
        ("at most", 2.0, True, "≤ 2 x"),
        ("at most", 2.1, False, "≤ 2 x"),
        ("at least", 2.0, True, "≥ 2 x"),
        ("at least", 1.9, False, "≥ 2 x"),
    ],
)
def test_a_figure_is_held_against_its_limit(direction, value, holds, bound) -> None:
    figure = Figure(name="n", value=value, limit=2, unit="x", detail="", direction=direction)
    assert figure.holds is holds
    assert figure.bound == bound
    assert Figure(name="n", value=2, limit=2, unit="x", detail="").direction == "at most"
