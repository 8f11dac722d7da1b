from dataclasses import replace

import pytest
import torch
from family_checks import lively
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from pipersr_build import models
from pipersr_build.models.espcn import ESPCNConfig
from pipersr_build.models.fsrcnn import FSRCNNConfig
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.rescale import can_rescale, interpolation, rescaled

PAIRS = [(2, 3), (2, 4), (3, 4), (4, 2), (3, 2)]


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize(
    "config",
    [
        PiperSRConfig(blocks=1, channels=6),
        QuickSRNetConfig(channels=6, blocks=1, random=0.0),
        QuickSRNetConfig(channels=6, blocks=1, random=0.0, anchor=True),
    ],
    ids=["pipersr", "quicksrnet", "anchor"],
)
def test_the_nearest_neighbour_upscaler_becomes_that_of_the_other_scale(config, old, new):
    lr = torch.rand(1, 3, 5, 4)
    made = rescaled(models.build(replace(config, scale=old)).eval(), new)
    assert made.config.scale == new
    torch.testing.assert_close(made(lr), interpolate(lr, scale_factor=new, mode="nearest"))


def test_twice_as_fine_sub_pixels_lie_around_the_old_ones():
    expected = [[1.25, -0.25], [0.75, 0.25], [0.25, 0.75], [-0.25, 1.25]]
    assert interpolation(2, 4).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.sampled_from([2, 3, 4]), st.floats(-2, 2), st.floats(-2, 2))
def test_what_rises_evenly_within_a_pixel_keeps_its_rise(old, new, offset, slope):
    def values(scale):
        return offset + slope * (torch.arange(scale, dtype=torch.float64) + 0.5) / scale

    torch.testing.assert_close(interpolation(old, new) @ values(old), values(new))


def test_rows_and_columns_are_not_mixed_up():
    config = ESPCNConfig(scale=2)
    network = models.build(config).double()
    torch.nn.init.zeros_(network.tail.weight)
    with torch.no_grad():  # colour 10 to 30, one more for the lower row, a tenth for the right column
        bias = [10 * c + row + 0.1 * column for c in (1, 2, 3) for row in (0, 1) for column in (0, 1)]
        network.tail.bias.copy_(torch.tensor(bias))
    sr = rescaled(network, 4)(torch.zeros(1, 3, 1, 1).double())
    steps = torch.tensor([-0.25, 0.25, 0.75, 1.25]).double()
    for colour in range(3):
        expected = 10 * (colour + 1) + steps[:, None] + 0.1 * steps[None, :]
        torch.testing.assert_close(sr[0, colour], expected)


def test_the_body_is_taken_over_and_the_old_network_left_alone():
    network = lively(PiperSRConfig(blocks=1, channels=6))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    made = rescaled(network, 4)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
        assert key.startswith("tail") or torch.equal(made.state_dict()[key], value)
    assert made.tail.weight.shape == (48, 6, 3, 3)


def test_averaged_down_it_is_about_the_old_network():
    network = lively(PiperSRConfig(blocks=1, channels=8))
    lr = torch.rand(1, 3, 12, 12)
    small = torch.nn.functional.avg_pool2d(rescaled(network, 4)(lr), 2)
    torch.testing.assert_close(small, network(lr), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (PiperSRConfig(), PiperSRConfig()),
        (PiperSRConfig(), PiperSRConfig(scale=4, blocks=5)),
        (PiperSRConfig(), QuickSRNetConfig(scale=4)),
        (FSRCNNConfig(), FSRCNNConfig(scale=4)),
        (QuickSRNetConfig(), QuickSRNetConfig(scale=1.5)),
    ],
)
def test_what_differs_in_more_than_the_scale_is_not_rescaled(found, wanted):
    assert not can_rescale(found, wanted)
    assert can_rescale(PiperSRConfig(), PiperSRConfig(scale=4))
