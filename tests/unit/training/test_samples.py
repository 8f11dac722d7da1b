import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build.data.crops import busiest
from pipersr_build.data.images import load_rgb
from pipersr_build.data.pictures import Picture, make_pair
from pipersr_build.data.resize import upscale_bicubic
from pipersr_build.training import samples
from pipersr_build.training.run import train
from pipersr_build.training.samples import EDGE, GAP, SampleSheet


def pair(height, width, scale=2, seed=0):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return make_pair(Picture("p", rgb), scale)


class Nearest(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale, self.unused = scale, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")


def cells(path):
    sheet, size = load_rgb(path), EDGE + GAP
    return [[sheet[r : r + EDGE, c : c + EDGE] for c in range(0, sheet.shape[1], size)]
            for r in range(0, sheet.shape[0], size)]  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(30, 420), st.integers(30, 420), st.sampled_from([2, 3, 4]))
def test_a_row_shows_one_window_three_times(tmp_path, height, width, scale):
    made = pair(height, width, scale)
    SampleSheet([made], scale)(Nearest(scale), tmp_path / "s.png")
    [[bicubic, sr, hr]] = cells(tmp_path / "s.png")
    top, left = (edge // scale for edge in busiest(made.hr, EDGE))
    high, wide = (min(EDGE // scale, size - at) for size, at in zip(made.lr.shape, (top, left), strict=False))
    lr = made.lr[top : top + high, left : left + wide]
    window = (slice(0, high * scale), slice(0, wide * scale))
    np.testing.assert_array_equal(sr[window], lr.repeat(scale, 0).repeat(scale, 1))
    rows, columns = (slice(at * scale, (at + size) * scale) for at, size in ((top, high), (left, wide)))
    np.testing.assert_array_equal(hr[window], made.hr[rows, columns])
    np.testing.assert_array_equal(bicubic[window], upscale_bicubic(made.lr, scale)[rows, columns])


def test_a_sheet_has_a_row_for_each_of_the_first_pictures(tmp_path):
    pairs = [pair(64, 64, seed=seed) for seed in range(6)]
    SampleSheet(pairs, 2)(Nearest(2), tmp_path / "s.png")
    assert len(cells(tmp_path / "s.png")) == samples.ROWS == 4


def test_the_busiest_window_is_where_the_detail_is():
    rgb = np.full((100, 120, 3), 90, np.uint8)
    rgb[60:80, 30:50] = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    assert busiest(rgb, 20) == pytest.approx((60, 30), abs=1)
    assert busiest(rgb, 500) == (0, 0)


def test_a_run_draws_a_sheet_at_each_validation(configured, corpus):
    config = configured("training.steps=4", "training.validate_every=2")
    sheet = SampleSheet(corpus.holdout_pairs(2), 2)
    weights = train(config, corpus, lambda _: 30.0, sheet).weights
    drawn = sorted(path.name for path in (weights.parent / "samples").iterdir())
    assert drawn == ["0000002.png", "0000004.png"]
