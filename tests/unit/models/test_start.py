import pytest
import torch
from torch import nn

from pipersr_build import models
from pipersr_build.models.branches import kernel_of
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.start import STARTS, calibrated, identity


def new(**settings):
    torch.manual_seed(0)
    return models.build(PiperSRConfig(**{"blocks": 2, "channels": 8, "norm": "none", **settings}))


def batch():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def before_activations(network, lr):
    """What the activation of every block sees: a list of B, C, H, W."""
    seen = []
    for block in network.body:
        block.activation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(lr)
    return seen


@pytest.mark.parametrize("start", ["calibrated", "identity"])
@pytest.mark.parametrize("branches", ["plain", "repvgg", "ecb"])
def test_every_activation_sees_zero_mean_and_unit_variance(start, branches):
    network = STARTS[start](new(branches=branches), batch())
    for x in before_activations(network, batch()):
        std, mean = torch.std_mean(x, dim=(0, 2, 3), correction=0)
        torch.testing.assert_close(mean, torch.zeros(8), rtol=0, atol=1e-4)
        torch.testing.assert_close(std, torch.ones(8), rtol=0, atol=1e-4)


def test_later_blocks_are_calibrated_on_what_earlier_ones_give():
    network = new()
    with torch.no_grad():  # blocks that change their input, unlike those of a new network
        for block in network.body:
            nn.init.normal_(block.conv2.weight, std=0.5)
    for x in before_activations(calibrated(network, batch()), batch()):
        torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(8), rtol=0, atol=1e-4)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("branches", ["plain", "ecb"])
def test_every_start_begins_as_the_nearest_neighbour_upscaler(start, norm, branches):
    network = STARTS[start](new(norm=norm, branches=branches), batch()).eval()
    lr = torch.rand(1, 3, 6, 7)
    expected = nn.functional.interpolate(lr, scale_factor=2, mode="nearest")
    torch.testing.assert_close(network(lr), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_start_is_a_function_of_network_and_batch_and_touches_neither(start, norm):
    network, lr = new(norm=norm).train(), batch()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    first, second = (STARTS[start](network, lr) for _ in range(2))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())
    assert torch.equal(lr, batch())
    assert all(module.training for module in first.modules())
    assert not any(module._forward_pre_hooks for module in first.modules())


def test_batch_norms_need_no_calibration():
    network = new(norm="batch")
    started = calibrated(network, batch())
    for key, value in network.state_dict().items():
        assert torch.equal(started.state_dict()[key], value), key


def test_the_identity_start_passes_every_channel_on():
    for block in identity(new(), batch()).body:
        kernel = kernel_of(block.conv1).detach()
        gains = kernel[range(8), range(8), 1, 1]
        assert (gains > 0).all()
        kernel[range(8), range(8), 1, 1] = 0
        assert kernel.abs().max() == 0


def test_a_channel_that_does_not_vary_keeps_its_scale():
    network = new(blocks=1)
    with torch.no_grad():
        network.body[0].conv1.weight[3] = 0
    block = calibrated(network, batch()).body[0]
    assert block.conv1.weight[3].abs().max() == 0
    assert torch.isfinite(block.conv1.weight).all()
    assert block.conv1.bias[3].abs() < 1e-6
