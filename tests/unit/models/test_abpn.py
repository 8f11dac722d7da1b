import math

import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach
from torch.nn.functional import interpolate

from pipersr_build import models
from pipersr_build.models.abpn import ABPNConfig


@pytest.mark.parametrize(("scale", "count"), [(2, 33_464), (3, 42_539), (4, 62_048)])
def test_the_published_numbers_of_parameters(scale, count):
    assert models.parameters(models.build(ABPNConfig(scale=scale))) == count


@pytest.mark.parametrize(("channels", "count"), [(28, 39_288), (32, 50_652)])
def test_with_one_last_convolution_and_a_trained_anchor(channels, count):
    config = ABPNConfig(channels=channels, blocks=5, tail=1, trained_anchor=True)
    assert models.parameters(models.build(config)) == count


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("trained", [False, True])
def test_the_anchor_is_the_nearest_neighbour_upscaler(scale, trained):
    network = models.build(ABPNConfig(scale=scale, trained_anchor=trained))
    last = network.convolutions[-1]
    torch.nn.init.zeros_(last.weight)
    lr = torch.rand(2, 3, 5, 4)
    assert torch.equal(network(lr), interpolate(lr, scale_factor=scale, mode="nearest"))


def test_the_start_is_glorots_with_biases_of_zero():
    torch.manual_seed(0)
    network = models.build(ABPNConfig()).requires_grad_(False)
    assert network.convolutions[1].weight.std() == pytest.approx(math.sqrt(2 / (9 * 56)), rel=0.05)
    assert not any(convolution.bias.any() for convolution in network.convolutions)


def test_the_fixed_anchor_is_neither_trained_nor_stored():
    assert not [name for name in models.build(ABPNConfig()).state_dict() if "anchor" in name]


@pytest.mark.parametrize(("scale", "tail"), [(2, 2), (3, 1)])
def test_the_receptive_radius_is_exact(scale, tail):
    config = ABPNConfig(channels=4, blocks=1, tail=tail, scale=scale)
    radius = models.facts(config).receptive_radius
    assert reach(positive(models.build(config)), scale, radius) == radius


def test_the_operations_of_the_package(tmp_path):
    expected = {"conv": 8, "relu": 6, "add": 1, "pixel_shuffle": 1}
    assert operations(ABPNConfig(), tmp_path) == expected


def test_both_packages_compute_what_was_trained(tmp_path):
    assert parity_verdicts(lively(ABPNConfig()), tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(("key", "value"), [("scale", 5), ("channels", 0), ("blocks", -1), ("tail", 3)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        ABPNConfig(**{key: value})
