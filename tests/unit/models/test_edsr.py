import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach

from pipersr_build import models
from pipersr_build.models.edsr import MEAN, EDSRConfig


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (EDSRConfig(), 1_369_859),
        (EDSRConfig(scale=3), 1_554_499),
        (EDSRConfig(scale=4), 1_517_571),
        (EDSRConfig(blocks=32, channels=256, residual_scale=0.1), 40_729_603),
    ],
    ids=["2x", "3x", "4x", "large"],
)
def test_the_published_numbers_of_parameters(config, count):
    with torch.device("meta"):
        assert models.parameters(models.build(config)) == count


def test_a_network_that_adds_nothing_returns_the_mean_colour():
    network = models.build(EDSRConfig(blocks=1, channels=4))
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    sr = network(torch.rand(1, 3, 4, 4))
    assert torch.equal(sr, torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 8, 8))


def test_the_mean_colour_is_what_stands_beyond_the_border():
    network = models.build(EDSRConfig(blocks=1, channels=4)).double()
    flat = network.mean.double().expand(1, 3, 12, 12)
    torch.nn.init.zeros_(network.head.bias)
    features = network.head((flat - network.mean) * 255)
    assert features.abs().max() < 1e-12  # with the shift inside the convolution its border would not be 0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sizes_and_the_receptive_radius(scale):
    config = EDSRConfig(blocks=1, channels=4, residual_scale=0.5, scale=scale)
    radius, network = models.facts(config).receptive_radius, positive(models.build(config))
    assert network(torch.rand(1, 3, 5, 4).double()).shape == (1, 3, 5 * scale, 4 * scale)
    assert reach(network, scale, radius) == radius


def test_residuals_are_scaled():
    small, whole = (models.build(EDSRConfig(blocks=1, channels=4, residual_scale=r)) for r in (0.25, 1.0))
    whole.load_state_dict(small.state_dict())
    x = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(4 * (small.body(x) - x), whole.body(x) - x)


def test_the_operations_of_the_package(tmp_path):
    expected = {"conv": 36, "add": 17, "relu": 16, "sub": 1, "mul": 1, "pixel_shuffle": 1}
    assert operations(EDSRConfig(channels=8), tmp_path) == expected


def test_both_packages_compute_what_was_trained(tmp_path):
    network = lively(EDSRConfig(blocks=2, channels=16))
    assert parity_verdicts(network, tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(
    ("key", "value"), [("scale", 5), ("channels", 0), ("blocks", 0), ("residual_scale", 2.0)]
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        EDSRConfig(**{key: value})
