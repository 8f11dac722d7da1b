import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from pipersr_build import models
from pipersr_build.models.branches import BESIDE, FILTERS, RepConv2d, assign, expand, kernel_of
from pipersr_build.models.pipersr import PiperSRConfig

KINDS = [kind for kind in BESIDE if kind != "plain"]


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, every parameter away from its special first value."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def per_channel(values):
    return values.view(1, -1, 1, 1)


def branch_by_branch(convolution: RepConv2d, x: torch.Tensor) -> torch.Tensor:
    """What the papers draw: every branch run on its own, each step padded with zeros, and added."""
    total = conv2d(x, convolution.square.weight, padding=1) + per_channel(convolution.bias)
    beside = convolution.beside
    if "point" in beside:
        total = total + conv2d(x, beside["point"].weight) * per_channel(beside["point"].gain)
    if "expand" in beside:
        total = total + conv2d(conv2d(x, beside["expand"].point), beside["expand"].square, padding=1)
    if "edges" in beside:
        for weight, gain, filter_ in zip(beside["edges"].weight, beside["edges"].gain, FILTERS, strict=True):
            mixed = conv2d(x, weight[:, :, None, None])
            mask = torch.tensor(filter_, dtype=x.dtype).expand(mixed.shape[1], 1, 3, 3)
            total = total + per_channel(gain) * conv2d(mixed, mask, padding=1, groups=mixed.shape[1])
    if "identity" in beside:
        total = total + per_channel(beside["identity"].gain) * x
    return total


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 6), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7),
       st.integers(0, 1000))  # fmt: skip
def test_one_convolution_equals_its_branches_run_one_by_one(kind, inputs, outputs, height, width, seed):
    convolution = randomised(RepConv2d(inputs, outputs, kind), seed)
    x = torch.randn(2, inputs, height, width, dtype=torch.float64)
    expected = branch_by_branch(convolution, x)
    torch.testing.assert_close(convolution(x), expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(convolution.collapse()(x), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_branches(kind):
    convolution = randomised(RepConv2d(4, 4, kind))
    x = torch.randn(1, 4, 5, 6, dtype=torch.float64)
    parameters = list(convolution.parameters())
    ours = torch.autograd.grad(convolution(x).sin().sum(), parameters)
    theirs = torch.autograd.grad(branch_by_branch(convolution, x).sin().sum(), parameters)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("repvgg", 8, {"point", "identity"}),
        ("repvgg", 3, {"point"}),
        ("ecb", 8, {"expand", "edges", "identity"}),
        ("ecb", 3, {"expand", "edges"}),
    ],
)
def test_which_branches_stand_beside_the_3x3(kind, inputs, expected):
    assert set(RepConv2d(inputs, 8, kind).beside) == expected


def test_a_constant_picture_has_no_edges_but_at_its_border():
    convolution = randomised(RepConv2d(2, 3, "ecb"))
    edges = convolution.beside["edges"].kernel()
    flat = conv2d(torch.ones(1, 2, 6, 6, dtype=torch.float64), edges, padding=1)
    assert flat[..., 1:-1, 1:-1].abs().max() < 1e-12
    assert flat.abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_the_branched_form_of_a_convolution_is_the_same_function(kind):
    plain = nn.Conv2d(5, 5, 3, padding=1).double()
    x = torch.randn(1, 5, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(RepConv2d.of(plain, kind)(x), plain(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(3, 4, 3, padding=1), lambda: RepConv2d(3, 4, "ecb")])
def test_a_kernel_can_be_assigned_to_either_form(make):
    convolution, kernel, bias = make(), torch.randn(4, 3, 3, 3), torch.randn(4)
    assign(convolution, kernel, bias)
    torch.testing.assert_close(kernel_of(convolution), kernel, rtol=0, atol=1e-6)
    assert torch.equal(convolution.bias, bias)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_summed_in_float32_under_autocast(kind):
    convolution = RepConv2d(4, 4, kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kernel = convolution.kernel()
        assert convolution(torch.rand(1, 4, 5, 5)).dtype == torch.bfloat16
    assert kernel.dtype == torch.float32
    assert torch.equal(kernel, convolution.kernel())


def test_collapsing_draws_no_random_numbers_and_shares_no_memory():
    convolution = RepConv2d(4, 4, "repvgg")
    before = torch.random.get_rng_state()
    plain = convolution.collapse()
    assert torch.equal(before, torch.random.get_rng_state())
    first = plain.bias.clone()
    with torch.no_grad():
        convolution.bias += 1
        convolution.square.weight += 1
    assert torch.equal(plain.bias, first)


def test_only_3x3_convolutions_are_expanded():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1))
    expand(network, "repvgg")
    assert [type(module) for module in network] == [RepConv2d, nn.Conv2d]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_all_fourteen_convolutions_are_branched_and_the_start_is_the_plain_one(kind, norm):
    lr = torch.rand(1, 3, 9, 8)
    outputs = []
    for branches in ("plain", kind):
        torch.manual_seed(0)
        network = models.build(PiperSRConfig(channels=8, norm=norm, branches=branches))
        outputs.append(network.eval()(lr))
    assert sum(isinstance(module, RepConv2d) for module in network.modules()) == 14
    torch.testing.assert_close(outputs[1], outputs[0], rtol=0, atol=1e-6)
    nearest = nn.functional.interpolate(lr, scale_factor=2, mode="nearest")
    torch.testing.assert_close(outputs[1], nearest, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_branch_is_reached_by_the_gradient(kind):
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(blocks=1, channels=6, norm="none", branches=kind))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    lr, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.l1_loss(network(lr), hr).backward()
        optimizer.step()
    assert [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0] == []
