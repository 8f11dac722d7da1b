import pytest
import torch
from family_checks import lively, operations, parity_verdicts, positive, reach
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.models.quicksrnet import QuickSRNetConfig

SCALES = [1.5, 2, 3, 4]
SMALL, MEDIUM, LARGE = (32, 2), (32, 5), (64, 11)


def nearest(lr, scale):
    """Nearest neighbour by its definition: output pixel y, x is input pixel y / scale, x / scale, cut off."""
    rows, columns = (
        torch.div(torch.arange(int(n * scale)), scale, rounding_mode="floor").long() for n in lr.shape[2:]
    )
    return lr[:, :, rows][..., columns]


@pytest.mark.parametrize(
    ("size", "anchor", "counts"),
    [
        (SMALL, False, [22_875, 22_860, 27_195, 33_264]),
        (MEDIUM, False, [50_619, 50_604, 54_939, 61_008]),
        (LARGE, False, [414_939, 414_924, 423_579, 435_696]),
        (LARGE, True, [415_695, 414_972, 423_687, 435_888]),
    ],
)
def test_the_published_numbers_of_parameters(size, anchor, counts):
    with torch.device("meta"):
        found = [
            models.parameters(models.build(QuickSRNetConfig("quicksrnet", *size, scale, anchor)))
            for scale in SCALES
        ]
    assert found == counts


@pytest.mark.parametrize(("blocks", "count"), [(1, 13_612), (3, 32_108), (7, 69_100), (11, 106_092)])
def test_other_depths(blocks, count):
    assert models.parameters(models.build(QuickSRNetConfig(blocks=blocks))) == count


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(SCALES), st.booleans(), st.sampled_from(["relu1", "relu"]), st.integers(3, 9),
       st.integers(0, 3), st.integers(1, 5), st.integers(1, 5))  # fmt: skip
def test_without_random_part_exactly_nearest(scale, anchor, activation, channels, blocks, rows, columns):
    config = QuickSRNetConfig("quicksrnet", channels, blocks, scale, anchor, activation, random=0.0)
    lr = torch.rand(2, 3, 2 * rows, 2 * columns)
    assert torch.equal(models.build(config)(lr), nearest(lr, scale))


@pytest.mark.parametrize("scale", SCALES)
def test_the_large_one_too(scale):
    lr = torch.rand(1, 3, 6, 4)
    network = models.build(QuickSRNetConfig("quicksrnet", *LARGE, scale, random=0.0))
    assert torch.equal(network(lr), nearest(lr, scale))


def test_the_random_part_is_the_frameworks_times_its_size():
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 8, 3)
    for size in (1.0, 0.25):
        torch.manual_seed(0)
        head = models.build(QuickSRNetConfig(channels=8, blocks=1, random=size)).head
        identity = torch.zeros_like(head.weight)
        identity[range(3), range(3), 1, 1] = 1
        torch.testing.assert_close(head.weight, plain.weight * size + identity)
        torch.testing.assert_close(head.bias, plain.bias * size)


def test_without_identity_it_is_the_frameworks_start():
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 8, 3)
    torch.manual_seed(0)
    assert torch.equal(models.build(QuickSRNetConfig(channels=8, identity=False)).head.weight, plain.weight)


def test_the_last_convolution_of_an_anchored_network_repeats_nothing():
    network = models.build(QuickSRNetConfig(channels=8, blocks=1, anchor=True, random=0.0))
    assert not network.tail.weight.any()
    assert all(parameter.requires_grad for parameter in network.anchor.parameters())


@pytest.mark.parametrize("scale", SCALES)
def test_the_output_of_wild_weights_lies_between_0_and_1(scale):
    network = models.build(QuickSRNetConfig(channels=6, blocks=1, scale=scale))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(20)
    sr = network(torch.rand(1, 3, 8, 8))
    assert (sr.min(), sr.max()) == (0, 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("blocks", "anchor"), [(0, True), (2, False)])
def test_the_receptive_radius_is_exact(scale, blocks, anchor):
    config = QuickSRNetConfig(channels=4, blocks=blocks, scale=scale, anchor=anchor)
    radius = models.facts(config).receptive_radius
    assert reach(positive(models.build(config)), scale, radius) == radius


@pytest.mark.parametrize("scale", [1.5, 2])
def test_it_is_deployed_as_it_is(scale):
    network = lively(QuickSRNetConfig(channels=5, blocks=1, scale=scale, anchor=True)).double()
    assert prove_equal(network, to_deploy(network)).holds


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (QuickSRNetConfig(channels=8, blocks=2), {"conv": 4, "clip": 4, "pixel_shuffle": 1}),
        (QuickSRNetConfig(channels=8, blocks=5), {"conv": 7, "clip": 7, "pixel_shuffle": 1}),
        (QuickSRNetConfig(channels=8, blocks=11), {"conv": 13, "clip": 13, "pixel_shuffle": 1}),
        (
            QuickSRNetConfig(channels=8, blocks=11, anchor=True),
            {"conv": 14, "clip": 13, "add": 1, "pixel_shuffle": 1},
        ),
        (
            QuickSRNetConfig(channels=8, blocks=2, scale=1.5),
            {"conv": 4, "clip": 4, "pixel_shuffle": 1, "pixel_unshuffle": 1},
        ),
    ],
    ids=["small", "medium", "large", "large-anchor", "small-1.5x"],
)
def test_the_operations_of_the_package(config, expected, tmp_path):
    assert operations(config, tmp_path) == expected


@pytest.mark.parametrize("scale", [1.5, 2])
def test_both_packages_compute_what_was_trained(scale, tmp_path):
    network = lively(QuickSRNetConfig(channels=8, blocks=2, scale=scale, anchor=True))
    assert parity_verdicts(network, tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize("size", [(7, 5), (8, 6)])
def test_pictures_of_odd_sizes_are_filled_up_at_1_5x(size):
    from pipersr_build.models.upscaler import upscaler

    rgb = (torch.rand(*size, 3) * 255).to(torch.uint8).numpy()
    network = models.build(QuickSRNetConfig(channels=3, blocks=0, scale=1.5, random=0.0))
    expected = nearest(torch.from_numpy(rgb).permute(2, 0, 1)[None], 1.5)[0].permute(1, 2, 0)
    assert torch.equal(torch.from_numpy(upscaler(network)(rgb)), expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [("blocks", -1), ("channels", 2), ("scale", 2.5), ("activation", "silu"), ("random", 2.0)],
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        QuickSRNetConfig(**{key: value})


def test_weights_of_every_scale_come_back_from_the_disk(tmp_path):
    from pipersr_build.models.weights import load_weights, save_weights

    for scale in SCALES:
        config = QuickSRNetConfig(channels=4, blocks=1, scale=scale)
        save_weights(tmp_path / "w.safetensors", models.build(config), config, "x")
        assert load_weights(tmp_path / "w.safetensors", QuickSRNetConfig("quicksrnet", 4, 1, float(scale)))
