import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach

from pipersr_build import models
from pipersr_build.models.fsrcnn import FSRCNNConfig


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("colours", "count"), [(1, 12_809), (3, 24_683)])
def test_the_published_numbers_of_parameters_at_any_scale(scale, colours, count):
    assert models.parameters(models.build(FSRCNNConfig(scale=scale, colours=colours))) == count


def test_without_biases_and_slopes_it_has_the_papers_number():
    network = models.build(FSRCNNConfig(colours=1))
    assert sum(p.numel() for p in network.parameters() if p.dim() == 4) == 12_464


def test_the_first_output_is_almost_nothing():
    torch.manual_seed(0)
    assert models.build(FSRCNNConfig())(torch.rand(1, 3, 8, 8)).abs().max() < 0.05


@pytest.mark.parametrize(("scale", "colours"), [(2, 3), (3, 1), (4, 3)])
def test_sizes_and_the_receptive_radius(scale, colours):
    config = FSRCNNConfig(channels=6, shrunk=4, blocks=2, scale=scale, colours=colours)
    facts, network = models.facts(config), positive(models.build(config))
    assert network(torch.rand(1, colours, 5, 4).double()).shape == (1, colours, 5 * scale, 4 * scale)
    assert reach(network, scale, facts.receptive_radius, colours) == facts.receptive_radius


def test_the_operations_of_the_package(tmp_path):
    # equal slopes are a leaky ReLU; trained ones, of which each channel has its own, stay PReLU
    expected = {"conv": 7, "leaky_relu": 7, "conv_transpose": 1, "crop": 1}
    assert operations(FSRCNNConfig(), tmp_path) == expected


def test_both_packages_compute_what_was_trained(tmp_path):
    network = lively(FSRCNNConfig(channels=12, shrunk=6, blocks=1))
    with torch.no_grad():
        network.tail.weight.mul_(30)
    assert parity_verdicts(network, tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(
    ("key", "value"), [("scale", 5), ("colours", 4), ("channels", 0), ("shrunk", 0), ("blocks", 0)]
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        FSRCNNConfig(**{key: value})
