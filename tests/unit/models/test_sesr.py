import pytest
import torch
from network_checks import agrees, export, is_nearest, randomised, reach, unreached
from torch import nn
from torch.nn.functional import conv2d

from pipersr_build import models
from pipersr_build.fusion import collapse_branches, prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.sesr import LinearBlock, SESRConfig

SIZES = {"M3": (3, 16), "M5": (5, 16), "M7": (7, 16), "M11": (11, 16), "XL": (11, 32)}
DEPLOYED = {"M3": 13_036, "M5": 17_676, "M7": 22_316, "M11": 31_596, "XL": 113_820}
LUMA = {"M3": 8_912, "M5": 13_520, "M7": 18_128, "M11": 27_344, "XL": 105_376}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def config(size="M5", **more):
    blocks, channels = SIZES[size]
    return SESRConfig(blocks=blocks, channels=channels, **more)


def convolution_weights(network):
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("size", SIZES)
def test_the_rgb_form_has_the_published_number_of_parameters(size):
    assert models.parameters(collapse_branches(models.build(config(size)))) == DEPLOYED[size]


@pytest.mark.parametrize(("size", "expected"), [("M3", 251_772), ("XL", 1_136_828)])
def test_the_trained_form_has_the_published_number_of_parameters(size, expected):
    assert models.parameters(models.build(config(size))) == expected


@pytest.mark.parametrize("size", SIZES)
def test_the_luma_form_has_the_published_number_of_weights(size):
    network = collapse_branches(models.build(config(size, form="luma")))
    assert convolution_weights(network) == LUMA[size]
    slopes = SIZES[size][0] * SIZES[size][1]  # of the PReLUs, which the paper does not count
    assert models.parameters(network) == LUMA[size] + slopes


@pytest.mark.parametrize(("size", "expected"), [("M5", 18_320), ("XL", 114_976)])
def test_four_times_luma_has_sixteen_outputs(size, expected):
    network = collapse_branches(models.build(config(size, form="luma", scale=4)))
    assert convolution_weights(network) == expected  # 4,800 or 9,600 more than at 2x


@pytest.mark.parametrize("residual", [False, True])
def test_a_block_is_its_two_convolutions_one_after_the_other(residual):
    block = randomised(LinearBlock(4, 4, 3, 32, bias=True, residual=residual)).double()
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    wide = conv2d(x, block.expand, padding=1)
    expected = conv2d(wide, block.project[:, :, None, None], block.bias) + (x if residual else 0)
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(block.collapse()(x), expected, rtol=0, atol=1e-12)


def test_kernels_are_multiplied_in_float32_under_autocast():
    block = LinearBlock(4, 4, 3, 32, bias=False, residual=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert block.kernel().dtype == torch.float32
        assert block(torch.rand(1, 4, 5, 5)).dtype == torch.bfloat16


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("form", ["rgb", "luma"])
def test_a_new_network_is_its_anchor(scale, form):
    assert is_nearest(models.build(config(scale=scale, form=form)), scale, 3 if form == "rgb" else 1)


def test_the_luma_form_clips_and_the_first_convolution_sees_the_middle_as_zero():
    network = randomised(models.build(config("M3", form="luma")), spread=0.2)
    assert network(torch.rand(1, 1, 12, 12)).min() == 0
    seen = []
    network.first.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(torch.full((1, 1, 8, 8), 0.5))
    assert not seen[0].any()


@pytest.mark.parametrize("form", ["rgb", "luma"])
def test_the_collapse_is_exact(form):
    network = randomised(models.build(config("M3", form=form)))
    if form == "luma":  # the pictures of the proof are RGB: repeat the first convolution's input
        lr = torch.rand(1, 1, 20, 24, dtype=torch.float64)
        deployed = to_deploy(network.double())
        assert (network(lr) - deployed(lr)).abs().max() <= 1e-9
    else:
        assert prove_equal(network, to_deploy(network.double())).holds
        assert type(to_deploy(network).first) is nn.Conv2d


@pytest.mark.parametrize("form", ["rgb", "luma"])
def test_the_receptive_radius_is_exact(form):
    built = config("M3", form=form)
    radius = models.facts(built).receptive_radius
    assert radius == 7
    network = randomised(models.build(built), spread=0.01)
    assert reach(network, models.facts(built).channels, size=31) == (radius, radius)


def test_every_parameter_is_trained():
    assert unreached(models.build(config("M3")), 2) == []


def test_census_and_parity_of_the_package(tmp_path):
    network = randomised(models.build(config("M5")))
    package = export(to_deploy(network), tmp_path, "video")
    assert census(package.main) == {"conv": 8, "relu": 6, "add": 2, "pixel_shuffle": 1}
    assert agrees(package, network)


def test_census_of_the_image_package(tmp_path):
    package = export(to_deploy(models.build(config("M3"))), tmp_path, "image")
    body = {"conv": 6, "relu": 4, "add": 2, "pixel_shuffle": 1}
    assert census(package.main) == body | {"cast": 2, "mul": 2, "clip": 1}


@pytest.mark.parametrize(
    ("key", "value"), [("blocks", 0), ("channels", 0), ("scale", 5), ("form", "cmyk"), ("expansion", 0)]
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        SESRConfig(**{key: value})
