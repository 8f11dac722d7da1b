import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.upscaler import upscaler
from pipersr_build.runtime.tiling import spans, upscale_tiled


@given(st.integers(1, 500), st.integers(3, 64), st.data())
def test_spans_cover_every_pixel_once_and_keep_only_what_the_halo_allows(length, tile, data):
    halo = data.draw(st.integers(0, (tile - 1) // 2))
    found = spans(length, tile, halo)
    assert [span.first for span in found] == [0, *(span.last for span in found[:-1])]
    assert found[-1].last == length
    for span in found:
        assert 0 <= span.start <= max(0, length - tile)
        assert span.first < span.last <= span.start + tile
        assert span.start == 0 or span.first - span.start >= halo
        assert span.last == length or span.start + tile - span.last >= halo


def test_a_tile_without_room_for_its_halo_is_refused():
    with pytest.raises(InputError, match="too small for a halo"):
        spans(100, 8, 4)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    network = models.build(PiperSRConfig(blocks=1, channels=4, norm="none")).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 50), st.integers(16, 50), st.integers(9, 16), st.integers(0, 99))
def test_tiled_output_equals_the_whole_frame(network, height, width, tile, seed):
    lr = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    run = upscaler(network)
    whole = run(lr).astype(int)
    tiled = upscale_tiled(lr, run, tile=(tile, tile), halo=(4, 4), scale=2).astype(int)
    # a convolution may add its terms in another order for another width: then a value that lies on
    # the border between two levels may fall on either side
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).mean() < 1e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(15, 40), st.integers(15, 40), st.sampled_from([12, 14, 16]), st.integers(0, 99))
def test_at_one_and_a_half_too_and_at_odd_sizes(height, width, tile, seed):
    torch.manual_seed(0)
    config = QuickSRNetConfig(channels=4, blocks=1, scale=1.5)  # its radius is odd, its phases are even
    run = upscaler(models.build(config))
    lr = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    whole = run(lr).astype(int)
    tiled = upscale_tiled(lr, run, tile=(tile, tile), halo=(3, 3), scale=1.5).astype(int)
    assert whole.shape == (height * 3 // 2, width * 3 // 2, 3)
    assert np.abs(tiled - whole).max() <= 1
    assert (tiled != whole).mean() < 1e-2


def test_a_halo_that_is_too_small_shows(network):
    lr = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    run = upscaler(network)
    assert (upscale_tiled(lr, run, tile=(16, 16), halo=(1, 1), scale=2) != run(lr)).mean() > 0.01


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 40), (40, 5)])
def test_pictures_smaller_than_a_tile_keep_their_size(network, height, width):
    lr = np.full((height, width, 3), 90, np.uint8)
    assert upscale_tiled(lr, upscaler(network), tile=(16, 16), halo=(4, 4), scale=2).shape == (
        2 * height,
        2 * width,
        3,
    )
