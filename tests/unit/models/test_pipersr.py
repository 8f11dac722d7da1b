import pytest
import torch
from torch import nn

from pipersr_build import models
from pipersr_build.models.pipersr import PiperSRConfig


def test_the_published_network_has_the_published_number_of_parameters():
    assert models.parameters(models.build(PiperSRConfig())) == 453_388


@pytest.mark.parametrize(("scale", "count"), [(3, 462_043), (4, 474_160)])
def test_larger_scales_differ_in_the_tail_alone(scale, count):
    # 64 inputs x 9 taps and a bias for each of the 3 scale^2 outputs
    assert count == 453_388 + (3 * scale**2 - 12) * (64 * 9 + 1)
    assert models.parameters(models.build(PiperSRConfig(scale=scale))) == count


def test_without_norms_it_has_the_folded_number_of_parameters():
    assert models.parameters(models.build(PiperSRConfig(norm="none"))) == 451_852


def test_every_convolution_has_a_bias_and_zero_padding():
    convolutions = [m for m in models.build(PiperSRConfig()).modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 14
    assert all(c.bias is not None and c.padding_mode == "zeros" for c in convolutions)


def test_each_block_has_a_batch_norm_after_both_convolutions():
    network = models.build(PiperSRConfig())
    for block in network.body:
        kinds = [type(module) for module in block.children()]
        assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.SiLU, nn.Conv2d, nn.BatchNorm2d]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("activation", ["silu", "relu", "prelu", "gelu"])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_new_network_is_the_nearest_neighbour_upscaler(scale, activation, norm):
    config = PiperSRConfig(blocks=2, channels=8, scale=scale, activation=activation, norm=norm)
    lr = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        sr = models.build(config).eval()(lr)
    assert torch.equal(sr, nn.functional.interpolate(lr, scale_factor=scale, mode="nearest"))


def test_every_parameter_is_reached_by_the_gradient_within_two_steps():
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(blocks=2, channels=8))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    lr, hr = torch.rand(2, 3, 12, 12), torch.rand(2, 3, 24, 24)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.l1_loss(network(lr), hr).backward()
        optimizer.step()
    still = [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    # a bias before a batch norm has no influence in training: its gradient is zero up to rounding
    assert [name for name in still if "conv" not in name] == []


def test_the_head_output_is_added_after_the_body():
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(blocks=1, channels=4)).eval()
    network.body = nn.Identity()
    seen = {}
    network.head.register_forward_hook(lambda _, __, out: seen.update(head=out))
    network.tail.register_forward_pre_hook(lambda _, args: seen.update(tail=args[0]))
    network(torch.rand(1, 3, 6, 6))
    assert torch.equal(seen["tail"], 2 * seen["head"])


def test_the_receptive_radius_is_exact():
    torch.manual_seed(0)
    config = PiperSRConfig(blocks=2, channels=8, norm="none")
    network = models.build(config)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    radius, size = models.facts(config).receptive_radius, 41
    lr = torch.zeros(1, 3, size, size, requires_grad=True)
    middle = size // 2
    network(lr)[0, :, 2 * middle, 2 * middle].sum().backward()
    touched = lr.grad.abs().sum((0, 1)).nonzero()
    assert (touched.min().item(), touched.max().item()) == (middle - radius, middle + radius)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blocks", 0),
        ("channels", 2),
        ("scale", 5),
        ("activation", "tanh"),
        ("norm", "layer"),
        ("branches", "acb"),
    ],
)
def test_values_that_name_no_network_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=rf"model\.{key}"):
        PiperSRConfig(**{key: value})
