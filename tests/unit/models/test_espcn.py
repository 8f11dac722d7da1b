import math

import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach

from pipersr_build import models
from pipersr_build.models.espcn import ESPCNConfig


@pytest.mark.parametrize(
    ("scale", "colours", "count"), [(2, 1, 21_284), (3, 1, 22_729), (4, 1, 24_752), (2, 3, 26_796)]
)
def test_the_published_numbers_of_parameters(scale, colours, count):
    assert models.parameters(models.build(ESPCNConfig(scale=scale, colours=colours))) == count


def test_the_start_is_normal_over_the_outputs_and_the_last_layer_almost_nothing():
    torch.manual_seed(0)
    network = models.build(ESPCNConfig()).requires_grad_(False)
    assert network.head.weight.std() == pytest.approx(math.sqrt(2 / (64 * 25)), rel=0.05)
    assert network.body.weight.std() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.05)
    assert network.tail.weight.std() == pytest.approx(1e-3, rel=0.1)
    assert not any(layer.bias.any() for layer in (network.head, network.body, network.tail))


@pytest.mark.parametrize(("scale", "colours"), [(2, 3), (3, 1), (4, 3)])
def test_sizes_and_the_receptive_radius(scale, colours):
    config = ESPCNConfig(scale=scale, colours=colours)
    facts, network = models.facts(config), positive(models.build(config))
    assert network(torch.rand(1, colours, 5, 4).double()).shape == (1, colours, 5 * scale, 4 * scale)
    assert (facts.channels, facts.scale) == (colours, scale)
    assert reach(network, scale, facts.receptive_radius, colours) == facts.receptive_radius


def test_the_operations_of_the_package(tmp_path):
    assert operations(ESPCNConfig(), tmp_path) == {"conv": 3, "tanh": 2, "pixel_shuffle": 1}


def test_both_packages_compute_what_was_trained(tmp_path):
    assert parity_verdicts(lively(ESPCNConfig()), tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(("key", "value"), [("scale", 5), ("colours", 4)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        ESPCNConfig(**{key: value})
