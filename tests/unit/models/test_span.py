import pytest
import torch
from network_checks import agrees, export, is_nearest, randomised, reach, unreached
from torch import nn
from torch.nn.functional import conv2d, pad, silu

from pipersr_build import models
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.span import RepConv3, SPANConfig

BODY = {"conv": 22, "silu": 12, "sub": 7, "add": 6, "mul": 6, "sigmoid": 6, "concat": 1, "pixel_shuffle": 1}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("channels", "scale", "expected"),
    [(48, 2, 410_700), (52, 2, 481_324), (48, 4, 426_288), (52, 4, 498_208), (26, 2, 122_368)],
)
def test_the_deployed_network_has_the_published_number_of_parameters(channels, scale, expected):
    deployed = to_deploy(models.build(SPANConfig(channels=channels, scale=scale)))
    assert models.parameters(deployed) == expected


@pytest.mark.parametrize(("channels", "expected"), [(48, 2_221_140), (52, 2_605_080)])
def test_trained_and_collapsed_convolutions_together_are_the_published_module(channels, expected):
    network = models.build(SPANConfig(channels=channels))
    blocks = [module for module in network.modules() if isinstance(module, RepConv3)]
    collapsed = sum(models.parameters(block.collapse()) for block in blocks)
    assert models.parameters(network) + collapsed == expected  # it keeps both forms


@pytest.mark.parametrize("gain", [1.0, 255.0])
def test_one_convolution_equals_the_chain_that_pads_first(gain):
    block = randomised(RepConv3(3, 4, gain)).double()
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    wide = block.widen(pad(gain * x, (1, 1, 1, 1)))
    expected = block.narrow(block.square(wide)) + block.beside(gain * x)
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(block.collapse()(x), expected, rtol=1e-12, atol=1e-10)


def test_the_gradient_is_that_of_the_chain():
    block = randomised(RepConv3(3, 4)).double()
    x = torch.randn(1, 3, 5, 6, dtype=torch.float64)
    chain = block.narrow(block.square(block.widen(pad(x, (1, 1, 1, 1))))) + block.beside(x)
    parameters = list(block.parameters())
    ours = torch.autograd.grad(block(x).sin().sum(), parameters)
    theirs = torch.autograd.grad(chain.sin().sum(), parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_kernels_are_multiplied_in_float32_under_autocast():
    block = RepConv3(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert {part.dtype for part in block.collapsed()} == {torch.float32}
        assert block(torch.rand(1, 4, 5, 5)).dtype == torch.bfloat16


def published_forward(network, lr):
    """The specification, step by step: the range of 255 on the input, each block drawn out."""
    gain = network.config.input_gain
    x = (lr - network.mean) * gain
    kernel, bias = network.head.collapsed()
    head = features = conv2d(x, kernel / gain, bias, padding=1)
    kept = []
    for block in network.body:
        first = silu(block.c1(features))
        out = block.c3(silu(block.c2(first)))
        features = (out + features) * (torch.sigmoid(out) - 0.5)
        kept.append((features, first))
    merged = network.merge(torch.cat([head, network.after(features), kept[0][0], kept[-1][1]], dim=1))
    return nn.functional.pixel_shuffle(network.tail(merged), network.config.scale)


def test_the_range_inside_the_kernel_is_the_published_one_borders_included():
    network = randomised(models.build(SPANConfig(channels=8))).double()
    lr = torch.rand(1, 3, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(network(lr), published_forward(network, lr), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("gain", [1.0, 255.0])
def test_a_new_network_is_the_nearest_neighbour_upscaler(scale, gain):
    assert is_nearest(models.build(SPANConfig(channels=8, scale=scale, input_gain=gain)), scale)


def test_the_collapse_is_exact():
    network = randomised(models.build(SPANConfig(channels=12)))
    assert prove_equal(network, to_deploy(network.double())).holds


def test_the_receptive_radius_is_exact():
    config = SPANConfig(channels=6, input_gain=1.0)
    network = to_deploy(models.build(config))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    radius = models.facts(config).receptive_radius
    assert radius == 21
    assert reach(network, size=51) == (radius, radius)


def test_every_parameter_is_trained():
    network = models.build(SPANConfig(channels=8, input_gain=1.0))
    assert unreached(network, 2) == []


def test_census_and_parity_of_the_package(tmp_path):
    network = randomised(models.build(SPANConfig(channels=12, input_gain=1.0)), spread=0.02)
    package = export(to_deploy(network), tmp_path, "video")
    # the published form has one more: the multiplication by 255, which the head's kernel has taken up
    assert census(package.main) == BODY
    assert agrees(package, network)


def test_census_of_the_image_package(tmp_path):
    package = export(to_deploy(models.build(SPANConfig(channels=8, scale=4))), tmp_path, "image")
    assert census(package.main) == BODY | {"cast": 2, "mul": 8, "clip": 1}


@pytest.mark.parametrize(("key", "value"), [("channels", 2), ("scale", 1), ("input_gain", 0.0)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        SPANConfig(**{key: value})
