import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models import quantized
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quantized import QuantizedConv2d, activation_steps, rounded_activation
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.weights import load_weights, save_weights

CONFIG = QuickSRNetConfig(channels=5, blocks=1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return models.build(CONFIG).eval()


def pictures(count=2):
    return [torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(n)) for n in range(count)]


bound = st.floats(0, 1e3, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(bound, bound, st.integers(0, 99))
def test_activations_lie_on_256_steps_and_zero_on_one(below, above, seed):
    bounds = torch.tensor([-below, above])
    x = torch.empty(512).uniform_(-1, 1, generator=torch.Generator().manual_seed(seed)) * (below + above + 1)
    step, zero = activation_steps(bounds)
    found = rounded_activation(x, bounds)
    assert torch.equal(found, rounded_activation(x, bounds, fixed=True))
    whole = found / step
    assert (whole - whole.round()).abs().max() < 1e-3
    assert found.unique().numel() <= 256
    assert rounded_activation(torch.zeros(1), bounds).item() == 0
    assert step.half() == step
    inside = (x > -below + step) & (x < above - step)
    assert ((found - x).abs()[inside] <= 0.51 * step).all()
    assert -128 <= zero <= 127


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.floats(0.05, 50), st.integers(0, 99))
def test_kernels_lie_on_255_steps_per_channel(outputs, inputs, size, seed):
    weight = size * torch.randn(outputs, inputs, 3, 3, generator=torch.Generator().manual_seed(seed))
    found = quantized.rounded_weight(weight)
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((found - weight).abs() <= 0.6 * step).all()
    for channel in found:
        assert channel.unique().numel() <= 255


def test_a_channel_of_zeros_stays_zero():
    assert torch.equal(quantized.rounded_weight(torch.zeros(2, 3, 3, 3)), torch.zeros(2, 3, 3, 3))


def test_every_convolution_rounds_and_the_picture_is_taken_whole(network):
    rounding = quantized.quantize(network, pictures())
    convolutions = [m for m in rounding.modules() if isinstance(m, nn.Conv2d)]
    assert [type(m) for m in convolutions] == [QuantizedConv2d] * 3
    assert rounding.head.activation_range.tolist() == [0, 1]
    assert all(0 <= m.activation_range[1] <= 1 and m.activation_range[0] == 0 for m in convolutions)  # ReLU1
    lr = pictures(3)[2]
    difference = (rounding(lr) - network(lr)).abs().max()
    assert 0 < difference < 0.1
    assert quantized.is_quantized(rounding)
    assert not quantized.is_quantized(network)


def test_plain_undoes_it(network):
    back = quantized.plain(quantized.quantize(network, pictures()))
    assert back.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(back(pictures()[0]), network(pictures()[0]))


def test_one_value_among_very_many_does_not_set_the_range():
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(1, 1, 1))
    nn.init.ones_(network[0].weight)
    lr = torch.rand(1, 3, 512, 512) * 0.01
    lr[..., 0, 1] = 0.02
    found = quantized.quantize(network, [lr])[1].activation_range
    assert 0.025 < found[1] < 0.04


def test_gradients_pass_through_the_rounding(network):
    rounding = quantized.quantize(network, pictures()).train()
    rounding(pictures()[0]).square().mean().backward()
    for name, parameter in rounding.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_it_computes_in_float32_under_autocast(network):
    rounding, lr = quantized.quantize(network, pictures()).train(), pictures()[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert rounding(lr).dtype == torch.float32
        assert torch.equal(rounding(lr), rounding.eval()(lr))


def test_weights_files_hold_the_ranges(network, tmp_path):
    rounding, path = quantized.quantize(network, pictures()), tmp_path / "w.safetensors"
    save_weights(path, rounding, CONFIG, "q")
    again = load_weights(path).network
    assert torch.equal(again(pictures()[0]), rounding(pictures()[0]))


@pytest.mark.parametrize("bounds", [[0.2, 1.0], [0.0, float("nan")], [0.0]])
def test_a_damaged_range_is_refused(network, tmp_path, bounds):
    rounding, path = quantized.quantize(network, pictures()), tmp_path / "w.safetensors"
    rounding.head.activation_range = torch.tensor(bounds)
    save_weights(path, rounding, CONFIG, "q")
    with pytest.raises(InputError, match=r"head\.activation_range"):
        load_weights(path)


def test_no_pictures_are_refused(network):
    with pytest.raises(ValueError, match="at least one batch"):
        quantized.quantize(network, [])


@pytest.mark.parametrize("keep", ["none", "ends"])
def test_a_convolution_that_never_runs_stays_as_it_is(network, keep):
    names = [name for name, _ in quantized.quantize(network, pictures(), keep).named_buffers()]
    network.idle = nn.Conv2d(3, 3, 1)
    rounding = quantized.quantize(network, pictures(), keep)
    assert not isinstance(rounding.idle, QuantizedConv2d)
    assert [name for name, _ in rounding.named_buffers()] == names != []


def test_pipersr_too():
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(blocks=1, channels=4, norm="none")).eval()
    rounding = quantized.quantize(network, pictures())
    assert (rounding(pictures()[0]) - network(pictures()[0])).abs().max() < 0.1


def test_weights_between_two_steps_are_converted_as_they_were_trained(network):
    convolution = next(
        m for m in quantized.quantize(network, pictures()).modules() if isinstance(m, QuantizedConv2d)
    )
    with torch.no_grad():  # just below and above the half of a step, which fp16 cannot tell apart
        steps = torch.arange(convolution.weight[0].numel()).reshape(convolution.weight[0].shape) % 100
        convolution.weight[:] = (steps + 0.4999) / 127
        convolution.weight[:, 0, 0, 0] = 1
    trained = quantized.rounded_weight(convolution.weight.detach())
    converted = quantized.for_conversion(convolution).weight.detach().half().float()
    torch.testing.assert_close(quantized.rounded_weight(converted), trained, rtol=1e-3, atol=0)
