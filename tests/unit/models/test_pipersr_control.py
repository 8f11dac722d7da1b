import pytest
import torch
from network_checks import agrees, export, randomised, reach, unreached
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import count_batch_norms, prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.models.pipersr_control import (
    BLOCKS,
    PiperSRControlConfig,
    RMSNorm,
    WindowAttention,
)

SMALL = {"blocks": 2, "channels": 16}
SIZE = (16, 24)  # multiples of the window


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def small(change, **more):
    return PiperSRControlConfig(change=change, **SMALL, **more)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("channel_attention", 453_388 + 6 * (64 * 4 + 4 + 4 * 64 + 64)),
        ("blueprint", 453_388 - 12 * (9 * 64 * 64 + 64) + 12 * (64 * 64 + 9 * 64 + 64)),
        ("rms_norm", 453_388 - 12 * 64),  # it has no offset
        ("window_attention", 453_388 + 6 * (64 * 192 + 192 + 64 * 64 + 64)),
    ],
)
def test_parameters_are_pipersrs_and_what_was_changed(change, expected):
    assert models.parameters(models.build(PiperSRControlConfig(change=change))) == expected


@pytest.mark.parametrize("change", BLOCKS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_new_network_is_the_nearest_neighbour_upscaler(change, scale):
    network = models.build(small(change, scale=scale))
    lr = torch.rand(1, 3, 16, 8)
    with torch.inference_mode():
        sr = network.eval()(lr)
    assert torch.equal(sr, nn.functional.interpolate(lr, scale_factor=scale, mode="nearest"))


@pytest.mark.parametrize("change", BLOCKS)
def test_every_parameter_is_trained(change):
    still = unreached(models.build(PiperSRControlConfig(change=change, blocks=2)), 2)
    # a bias before a batch norm has no influence in training, nor has a key's before the softmax
    assert [name for name in still if "conv" not in name] == []


@pytest.mark.parametrize("change", BLOCKS)
def test_batch_norms_fold_exactly(change):
    network = randomised(models.build(small(change)))
    deployed = to_deploy(network.double())
    assert prove_equal(network, deployed).holds
    assert count_batch_norms(deployed) == 0
    assert (count_batch_norms(network) == 4) == (change != "rms_norm")


def test_the_rms_norm_is_pytorchs_over_the_channels():
    norm, x = randomised(RMSNorm(6)), torch.randn(2, 6, 4, 5)
    expected = nn.functional.rms_norm(x.movedim(1, -1), (6,), norm.weight.flatten(), 1e-6).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_windows_attend_to_themselves_alone_as_pytorchs_attention_does():
    attention = randomised(WindowAttention(8, 4, 2), spread=0.3)
    x = torch.randn(2, 8, 8, 12)
    with torch.inference_mode():
        found = attention(x)[1, :, 4:8, 8:12].flatten(1).T  # of one window: pixels, channels
        q, k, v = (part.flatten(1).T for part in attention.qkv(x)[1, :, 4:8, 8:12].chunk(3))
        heads = (part.unflatten(1, (2, 4)).transpose(0, 1) for part in (q, k, v))
        mixed = nn.functional.scaled_dot_product_attention(*heads).transpose(0, 1).flatten(1)
        expected = mixed @ attention.project.weight[:, :, 0, 0].T + attention.project.bias
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("change", ["blueprint", "rms_norm"])
def test_the_receptive_radius_is_pipersrs(change):
    config = small(change)
    assert models.facts(config).receptive_radius == 6
    assert reach(randomised(models.build(config), spread=0.2), size=31) == (6, 6)


def test_where_no_halo_is_enough_the_facts_say_so():
    assert models.facts(small("channel_attention")).receptive_radius is None
    windowed = models.facts(small("window_attention", window=4))
    assert (windowed.receptive_radius, windowed.size_multiple) == (None, 4)


CENSUS = {  # of two blocks
    "channel_attention": {
        "conv": 10, "add": 3, "mul": 2, "reduce_mean": 2, "relu": 2, "sigmoid": 2, "silu": 2,
    },
    "blueprint": {"conv": 10, "add": 3, "silu": 2},
    "rms_norm": {"mul": 12, "add": 7, "conv": 6, "reduce_mean": 4, "rsqrt": 4, "silu": 2},
    "window_attention": {
        "conv": 10, "reshape": 8, "add": 5, "matmul": 4, "transpose": 4, "mul": 2, "silu": 2, "softmax": 2,
        "split": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("change", BLOCKS)
def test_census_and_parity_of_the_package(change, tmp_path):
    network = randomised(models.build(small(change)))
    package = export(to_deploy(network), tmp_path, "video", SIZE)
    assert census(package.main) == CENSUS[change] | {"pixel_shuffle": 1}
    assert agrees(package, network, SIZE)


@pytest.mark.parametrize(
    ("key", "value"),
    [("change", "more"), ("blocks", 0), ("channels", 8), ("scale", 5), ("window", 3), ("heads", 5)],
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        PiperSRControlConfig(**{key: value})
