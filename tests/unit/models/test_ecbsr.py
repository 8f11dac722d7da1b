import pytest
import torch
from network_checks import agrees, export, is_nearest, randomised, reach, unreached
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.branches import RepConv2d
from pipersr_build.models.ecbsr import ECBSRConfig


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def layers(blocks, channels, colours, scale):
    """Weights, biases and slopes of the chain of plain convolutions, as the paper counts them."""
    head = 9 * colours * channels + 2 * channels
    body = blocks * (9 * channels**2 + 2 * channels)
    return head + body + (9 * channels + 1) * colours * scale**2


@pytest.mark.parametrize(
    ("blocks", "channels", "colours", "scale", "expected"),
    [
        (4, 8, 1, 2, 2_748),
        (4, 16, 1, 2, 10_100),
        (10, 16, 1, 2, 24_116),
        (10, 32, 1, 2, 94_308),
        (4, 16, 3, 2, 11_548),
        (4, 16, 3, 4, 16_768),
    ],
)
def test_the_deployed_network_has_the_chains_number_of_parameters(blocks, channels, colours, scale, expected):
    config = ECBSRConfig(blocks=blocks, channels=channels, colours=colours, scale=scale)
    assert models.parameters(to_deploy(models.build(config))) == expected
    assert layers(blocks, channels, colours, scale) == expected


def test_every_convolution_is_an_edge_oriented_block():
    network = models.build(ECBSRConfig())
    blocks = [module for module in network.modules() if isinstance(module, RepConv2d)]
    assert len(blocks) == 6
    assert {frozenset(block.beside) for block in blocks} == {frozenset({"expand", "edges"})}
    inner = models.build(ECBSRConfig(identity=True)).backbone[2]
    assert set(inner.beside) == {"expand", "edges", "identity"}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_new_network_is_the_nearest_neighbour_upscaler(scale, colours):
    assert is_nearest(models.build(ECBSRConfig(scale=scale, colours=colours)), scale, colours)


def test_the_anchor_is_neither_trained_nor_saved():
    network = models.build(ECBSRConfig())
    assert not [name for name in network.state_dict() if "anchor" in name]
    assert unreached(network, 2) == []
    expected = torch.eye(3).repeat_interleave(4, dim=0)[:, :, None, None]
    assert torch.equal(network.anchor, expected)


@pytest.mark.parametrize("identity", [False, True])
def test_the_collapse_is_exact(identity):
    network = randomised(models.build(ECBSRConfig(identity=identity)))
    deployed = to_deploy(network.double())
    assert prove_equal(network, deployed).holds
    assert sum(isinstance(module, nn.Conv2d) for module in deployed.modules()) == 6


def test_the_receptive_radius_is_exact():
    config = ECBSRConfig()
    assert models.facts(config).receptive_radius == 6
    assert reach(randomised(models.build(config), spread=0.1), size=31) == (6, 6)


@pytest.mark.parametrize(("activation", "operation"), [("prelu", "prelu"), ("relu", "relu")])
def test_census_and_parity_of_the_package(activation, operation, tmp_path):
    network = randomised(models.build(ECBSRConfig(activation=activation)))
    package = export(to_deploy(network), tmp_path, "video")
    assert census(package.main) == {"conv": 7, operation: 5, "add": 1, "pixel_shuffle": 1}
    assert agrees(package, network)


def test_census_of_the_image_package(tmp_path):
    package = export(to_deploy(models.build(ECBSRConfig(activation="relu", scale=4))), tmp_path, "image")
    body = {"conv": 7, "relu": 5, "add": 1, "pixel_shuffle": 1}
    assert census(package.main) == body | {"cast": 2, "mul": 2, "clip": 1}


@pytest.mark.parametrize(
    ("key", "value"), [("blocks", 0), ("channels", 0), ("scale", 5), ("colours", 4), ("activation", "tanh")]
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        ECBSRConfig(**{key: value})
