import pytest
import torch
from network_checks import agrees, export, is_nearest, randomised, unreached

from pipersr_build import models
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.rfdn import RFDNConfig, SpatialAttention

SMALL = {"blocks": 2, "channels": 12}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("scale", "expected"), [(2, 417_212), (3, 423_977), (4, 433_448)])
def test_e_rfdn_has_the_published_number_of_parameters(scale, expected):
    assert models.parameters(models.build(RFDNConfig(scale=scale))) == expected


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_new_network_is_the_nearest_neighbour_upscaler(scale):
    assert is_nearest(models.build(RFDNConfig(scale=scale, **SMALL)), scale)


def test_every_parameter_is_trained():
    assert unreached(models.build(RFDNConfig(**SMALL)), 2) == []


def test_deployment_changes_nothing():
    network = randomised(models.build(RFDNConfig(**SMALL)))
    assert prove_equal(network, to_deploy(network.double())).holds


def test_the_attention_looks_from_a_sixth_of_the_size():
    attention, sizes = SpatialAttention(8), []
    attention.small[2].register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[2:])))
    assert attention(torch.rand(1, 8, 63, 96)).shape == (1, 8, 63, 96)
    assert sizes == [(9, 14)]  # (n - 3) // 2 + 1 = 31, 47; then (n - 7) // 3 + 1


def test_fifteen_pixels_are_the_least():
    attention = SpatialAttention(8)
    assert attention(torch.rand(1, 8, 15, 15)).shape == (1, 8, 15, 15)
    with pytest.raises(RuntimeError, match="too small"):
        attention(torch.rand(1, 8, 14, 15))


def test_the_attention_moves_with_the_grid_and_not_with_the_picture():
    attention, x = SpatialAttention(8).eval(), torch.rand(1, 8, 64, 64)
    with torch.inference_mode():
        whole, moved = attention(x)[..., 1:, 1:], attention(x[..., 1:, 1:])
    assert (whole - moved)[..., 20:40, 20:40].abs().max() > 1e-6
    assert models.facts(RFDNConfig()).receptive_radius is None


@pytest.mark.parametrize("size", [(18, 26), (33, 20)])
def test_the_package_agrees_at_any_locked_size(size, tmp_path):
    network = randomised(models.build(RFDNConfig(blocks=1, channels=12)))
    assert agrees(export(to_deploy(network), tmp_path, "video", size), network, size)


def test_census_of_both_packages(tmp_path):
    network = to_deploy(models.build(RFDNConfig()))
    expected = {
        "conv": 64, "leaky_relu": 29, "add": 17, "relu": 8, "concat": 5, "max_pool": 4, "mul": 4,
        "sigmoid": 4, "upsample_bilinear": 4, "pixel_shuffle": 1,
    }  # fmt: skip
    assert census(export(network, tmp_path, "video").main) == expected
    assert sum(expected.values()) == 140
    image = census(export(network, tmp_path, "image").main)
    assert image == expected | {"cast": 2, "mul": 6, "clip": 1}


@pytest.mark.parametrize(("key", "value"), [("blocks", 0), ("channels", 3), ("scale", 5)])
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        RFDNConfig(**{key: value})
