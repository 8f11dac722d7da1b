import pytest
import torch
from network_checks import agrees, export, is_nearest, randomised, reach, unreached

from pipersr_build import models
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.imdn import ContrastAttention, IMDNConfig

RTC = {"blocks": 5, "channels": 12, "attention": False, "fusion": False}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("scale", "expected"), [(2, 694_404), (3, 703_059), (4, 715_176)])
def test_imdn_has_the_published_number_of_parameters(scale, expected):
    assert models.parameters(models.build(IMDNConfig(scale=scale))) == expected


def test_imdn_rtc_has_the_published_number_of_parameters():
    assert models.parameters(models.build(IMDNConfig(**RTC))) == 20_190


def test_the_attention_sees_mean_plus_standard_deviation():
    attention = randomised(ContrastAttention(16)).double()
    x = torch.randn(2, 16, 5, 6, dtype=torch.float64)
    seen = []
    attention.squeeze.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    attention(x)
    mean = x.sum((2, 3), keepdim=True) / 30
    deviation = (((x - mean) ** 2).sum((2, 3), keepdim=True) / 30) ** 0.5
    torch.testing.assert_close(seen[0], mean + deviation, rtol=0, atol=1e-12)


def test_a_constant_channel_has_a_finite_gradient():
    x = torch.ones(1, 16, 4, 4, requires_grad=True)
    ContrastAttention(16)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_a_block_keeps_a_quarter_of_the_channels_at_every_stage():
    block = models.build(IMDNConfig(blocks=1, channels=16)).body[0]
    assert [stage.in_channels for stage in block.stages] == [16, 12, 12]
    assert [stage.out_channels for stage in block.stages] == [16, 16, 16]
    assert (block.last.in_channels, block.last.out_channels) == (12, 4)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("variant", [{"blocks": 2, "channels": 16}, RTC])
def test_a_new_network_is_the_nearest_neighbour_upscaler(scale, variant):
    assert is_nearest(models.build(IMDNConfig(scale=scale, **variant)), scale)


@pytest.mark.parametrize("variant", [{"blocks": 2, "channels": 64}, RTC])
def test_every_parameter_is_trained(variant):
    assert unreached(models.build(IMDNConfig(**variant)), 2) == []


def test_deployment_changes_nothing():
    network = randomised(models.build(IMDNConfig(blocks=2, channels=16)))
    assert prove_equal(network, to_deploy(network.double())).holds


def test_without_attention_the_receptive_radius_is_exact():
    config = IMDNConfig(**RTC | {"blocks": 2})
    radius = models.facts(config).receptive_radius
    assert radius == 10
    assert reach(randomised(models.build(config), spread=0.2), size=31) == (radius, radius)
    assert models.facts(IMDNConfig(attention=False, blocks=1)).receptive_radius == 7


def test_with_attention_every_pixel_counts():
    config = IMDNConfig(blocks=1)
    assert models.facts(config).receptive_radius is None
    assert reach(randomised(models.build(config), spread=0.2), size=31) == (15, 15)


def test_census_and_parity_of_the_package(tmp_path):
    network = randomised(models.build(IMDNConfig(blocks=2, channels=16)))
    package = export(to_deploy(network), tmp_path, "video")
    # of the published form's 25 operations a block for the attention 16 stay: a mean is one reduction
    assert census(package.main) == {
        "conv": 18, "leaky_relu": 7, "split": 6, "add": 5, "reduce_mean": 4, "concat": 3, "mul": 2, "relu": 2,
        "sigmoid": 2, "sqrt": 2, "square": 2, "sub": 2, "pixel_shuffle": 1,
    }  # fmt: skip
    assert agrees(package, network)


def test_census_of_the_real_time_variants_image_package(tmp_path):
    package = export(to_deploy(models.build(IMDNConfig(**RTC))), tmp_path, "image")
    body = {"conv": 28, "leaky_relu": 15, "split": 15, "add": 6, "concat": 5, "pixel_shuffle": 1}
    assert census(package.main) == body | {"cast": 2, "mul": 2, "clip": 1}


@pytest.mark.parametrize(("key", "value"), [("blocks", 0), ("channels", 15), ("scale", 5)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        IMDNConfig(**{key: value})
