import pytest
import torch
from family_checks import lively, parity_verdicts, positive, reach
from network_checks import randomised

from pipersr_build import models
from pipersr_build.config import load
from pipersr_build.export.build import build_for_census
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package
from pipersr_build.models.collapsible import Collapsible
from pipersr_build.models.paragonsr2 import ParagonSR2Config

FIXED = 72  # numbers of the published base path, which the published counts include
SMALL = {"channels": 16, "blocks": 2, "window": 8}
STREAM = {"block": "stream", "groups": 2, "blocks": 3, "alpha": 0.0}
FORMS = [
    ("nano", False),
    ("stream", False),
    ("photo", False),
    ("photo", True),
    ("pro", False),
    ("pro", True),
]


@pytest.mark.parametrize(
    ("variant", "counts"),
    [
        ("realtime", [16_780, 28_380, 44_620]),
        ("stream", [110_092, 156_332, 221_068]),
        ("photo", [745_292, 929_932, 1_188_428]),
        ("photo_export_safe", [477_004, 661_644, 920_140]),
        ("pro", [1_993_420, 2_178_060, 2_436_556]),
        ("pro_export_safe", [1_387_468, 1_572_108, 1_830_604]),
    ],
)
def test_the_numbers_of_parameters(variant, counts):
    variants = [load([f"model=paragonsr2_{variant}_{scale}x"]).model for scale in (2, 3, 4)]
    assert [models.parameters(models.build(config)) + FIXED for config in variants] == counts


@pytest.mark.parametrize(
    ("block", "channels", "count"),
    [("nano", 16, 1_408), ("stream", 32, 10_336), ("photo", 64, 34_816), ("pro", 64, 50_144)],
)
def test_the_numbers_of_parameters_of_a_block(block, channels, count):
    network = models.build(ParagonSR2Config(block=block, channels=channels, blocks=1))
    assert models.parameters(network.body[0]) == count


def test_the_published_base_path_has_72_fixed_numbers():
    base = models.build(ParagonSR2Config(base="published")).base
    assert sum(buffer.numel() for buffer in base.buffers()) == FIXED


@pytest.mark.parametrize(("block", "attention"), FORMS)
def test_a_new_block_passes_its_input_on_almost(block, attention):
    network = models.build(ParagonSR2Config(block=block, window_attention=attention, **SMALL))
    x = torch.rand(1, 16, 12, 20)
    difference = (network.body(x) - x).abs().max()
    assert 0 < difference < 1e-3


def test_without_detail_it_is_its_base_path():
    network = models.build(ParagonSR2Config(gain=0.0))
    lr = torch.rand(2, 3, 7, 9)
    assert torch.equal(network(lr), network.base(lr))


@pytest.mark.parametrize("base", ["exact", "published", "magic_kernel_sharp"])
@pytest.mark.parametrize(("block", "attention"), FORMS)
def test_the_deployed_network_is_equal_and_has_nothing_left_to_collapse(block, attention, base):
    config = ParagonSR2Config(block=block, window_attention=attention, base=base, **SMALL)
    network = randomised(models.build(config), spread=0.3).double()
    deployed = to_deploy(network)
    assert not any(isinstance(module, Collapsible) for module in deployed.modules())
    assert models.parameters(deployed) != models.parameters(network)
    assert prove_equal(network, deployed, inputs=1).holds
    lr = torch.rand(1, 3, 24, 32).double()
    assert (network(lr) - network.base(lr)).abs().max() > 1e-2, "a network that does nothing proves nothing"


@pytest.mark.parametrize("base", ["exact", "published", "magic_kernel_sharp"])
@pytest.mark.parametrize(("block", "scale"), [("nano", 2), ("stream", 3), ("photo", 4)])
def test_the_receptive_radius_is_exact(block, scale, base):
    config = ParagonSR2Config(block=block, channels=4, blocks=2, scale=scale, base=base,
                              window_attention=False)  # fmt: skip
    radius = models.facts(config).receptive_radius
    assert radius == {"nano": 6, "stream": 12, "photo": 6}[block]
    assert reach(positive(models.build(config)), scale, radius) == radius


@pytest.mark.parametrize(("block", "attention"), [("photo", True), ("pro", False)])
def test_attention_has_no_radius(block, attention):
    config = ParagonSR2Config(block=block, window_attention=attention)
    assert models.facts(config).receptive_radius is None
    assert models.build(config).fixed_size is attention


def package_of(config, folder):
    import numpy as np

    network = to_deploy(lively(config))  # a norm of 1 and 0 would be no operation
    return open_package(build_for_census(network, folder, "macOS13", np.float16))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"base": "published", "alpha": 0.0},
            {"conv": 15, "add": 4, "gelu": 3, "pixel_shuffle": 1, "upsample_nearest_neighbor": 1},
        ),
        (
            {"base": "published"},
            {"conv": 17, "add": 5, "gelu": 3, "pixel_shuffle": 1, "upsample_nearest_neighbor": 1, "mul": 1,
             "sub": 1},
        ),
        ({}, {"conv": 14, "add": 4, "gelu": 3, "pixel_shuffle": 2, "pad": 1}),
        (
            {**STREAM, "base": "published"},
            {"conv": 42, "add": 7, "clip": 6, "concat": 6, "mul": 6, "split": 6, "pixel_shuffle": 1,
             "upsample_nearest_neighbor": 1},
        ),
        (
            STREAM,
            {"conv": 41, "add": 7, "clip": 6, "concat": 6, "mul": 6, "split": 6, "pixel_shuffle": 2,
             "pad": 1},
        ),
    ],
    ids=["realtime-published", "realtime-alpha", "realtime", "stream-published", "stream"],
)  # fmt: skip
def test_the_operations_of_the_packages(settings, expected, tmp_path):
    assert census(package_of(ParagonSR2Config(channels=8, **settings), tmp_path).main) == expected


# operations of one block, with window attention of a pair: every second one rolls the picture
PHOTO = {"conv": 3, "add": 2, "mul": 2, "gelu": 1, "reduce_mean": 1, "rsqrt": 1}
PRO = {
    **PHOTO,
    "conv": 7,
    "add": 5,
    "mul": 6,
    "gelu": 2,
    "reduce_mean": 3,
    "rsqrt": 2,
    "sigmoid": 1,
    "softmax": 1,
}
WINDOWS = {
    "conv": 4, "add": 6, "mul": 8, "reduce_mean": 2, "rsqrt": 2, "reshape": 8, "transpose": 8, "split": 2,
    "matmul": 4, "softmax": 2, "slice_by_index": 8, "concat": 4,
}  # fmt: skip
AROUND = {"conv": 5, "add": 1, "pixel_shuffle": 2, "pad": 1}


@pytest.mark.parametrize(
    ("block", "attention", "pair_total"),
    [("photo", False, 20), ("photo", True, 78), ("pro", False, 54), ("pro", True, 112)],
)
def test_the_operations_of_a_pair_of_attention_blocks(block, attention, pair_total, tmp_path):
    one = PHOTO if block == "photo" else PRO
    pair = {name: 2 * one.get(name, 0) + attention * WINDOWS.get(name, 0) for name in {**one, **WINDOWS}}
    expected = {name: AROUND.get(name, 0) + pair.get(name, 0) for name in {**AROUND, **pair}}
    package = package_of(ParagonSR2Config(block=block, window_attention=attention, **SMALL), tmp_path)
    assert census(package.main) == {name: count for name, count in expected.items() if count}
    assert sum(pair.values()) == pair_total
    assert max(len(kind.shape) for kind in package.main.types().values()) <= 5


def test_the_total_of_photo_without_window_attention_and_with_the_published_base(tmp_path):
    config = ParagonSR2Config(block="photo", channels=16, groups=4, blocks=4, window_attention=False,
                              base="published", alpha=0.0)  # fmt: skip
    assert sum(census(package_of(config, tmp_path).main).values()) == 169


@pytest.mark.parametrize(("block", "attention"), FORMS)
def test_a_training_step_in_lower_precision_reaches_every_parameter(block, attention):
    network = models.build(ParagonSR2Config(block=block, window_attention=attention, **SMALL))
    with torch.autocast("cpu", torch.bfloat16):
        sr = network(torch.rand(2, 3, 10, 12))
    assert sr.dtype == torch.float32
    sr.square().mean().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(
    ("block", "attention", "scale", "base"),
    [
        ("nano", False, 2, "exact"),
        ("stream", False, 3, "magic_kernel_sharp"),
        ("photo", True, 2, "published"),  # 20 is no multiple of the window of 8
        ("pro", True, 4, "exact"),
    ],
)
def test_both_packages_compute_what_was_trained(block, attention, scale, base, tmp_path):
    config = ParagonSR2Config(
        block=block, window_attention=attention, scale=scale, base=base, gain=0.3, **SMALL
    )
    network = randomised(models.build(config), spread=0.1)
    assert parity_verdicts(network, tmp_path) == {"image": "pass", "video": "pass"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block", "nona"),
        ("base", "bicubic"),
        ("scale", 5),
        ("channels", 2),
        ("groups", 0),
        ("blocks", 0),
        ("gain", -1.0),
        ("alpha", 1.5),
        ("window", 7),
    ],
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        ParagonSR2Config(**{key: value})


def test_channels_that_the_heads_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        ParagonSR2Config(block="photo", channels=30)


def test_weights_come_back_from_the_disk(tmp_path):
    from pipersr_build.models.weights import load_weights, save_weights

    config = ParagonSR2Config(block="pro", **SMALL)
    network = models.build(config)
    save_weights(tmp_path / "w.safetensors", network, config, "x")
    found = load_weights(tmp_path / "w.safetensors").network.state_dict()
    assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())
