import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach
from torch import nn

from pipersr_build import models
from pipersr_build.models.xlsr import XLSRConfig


@pytest.mark.parametrize(("scale", "count"), [(2, 17_612), (3, 21_947), (4, 28_016)])
def test_the_published_numbers_of_parameters(scale, count):
    assert models.parameters(models.build(XLSRConfig(scale=scale))) == count


def test_three_convolutions_have_four_groups():
    groups = [m.groups for m in models.build(XLSRConfig()).modules() if isinstance(m, nn.Conv2d)]
    assert sorted(groups) == [1] * 8 + [4] * 3


def test_the_output_lies_between_0_and_1():
    network = models.build(XLSRConfig())
    with torch.no_grad():
        network.tail.weight.mul_(100)
    sr = network(torch.rand(1, 3, 8, 8))
    assert (sr.min(), sr.max()) == (0, 1)


@pytest.mark.parametrize("scale", [2, 3])
def test_the_receptive_radius_is_exact(scale):
    config = XLSRConfig(blocks=2, scale=scale)
    radius = models.facts(config).receptive_radius
    assert reach(positive(models.build(config)), scale, radius) == radius


def test_the_operations_of_the_package(tmp_path):
    expected = {"conv": 11, "relu": 5, "concat": 1, "pixel_shuffle": 1, "clip": 1}
    assert operations(XLSRConfig(), tmp_path) == expected


def test_both_packages_compute_what_was_trained(tmp_path):
    network = lively(XLSRConfig())
    with torch.no_grad():
        network.tail.bias += 0.5  # or half of the output is cut off
    assert parity_verdicts(network, tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(("key", "value"), [("scale", 5), ("blocks", 0)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        XLSRConfig(**{key: value})
