import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import collapse_branches, expand_branches, fold_batch_norms, prove_equal, to_deploy
from pipersr_build.fusion.proof import Proof
from pipersr_build.models.branches import RepConv2d
from pipersr_build.models.collapsible import Collapsible
from pipersr_build.models.espcn import ESPCNConfig
from pipersr_build.models.paragonsr2.branches import Bottleneck, GatedPair
from pipersr_build.models.paragonsr2.parts import GainedConvolution, ResidualBlock
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.sesr import LinearBlock
from pipersr_build.models.span import RepConv3

KINDS = ["repvgg", "ecb"]


def lively(config: PiperSRConfig, seed: int = 0) -> nn.Module:
    """A network whose every parameter and statistic is off its first value."""
    return shaken(models.build(config), seed)


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with every parameter and statistic off its first value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += torch.randn(parameter.shape, generator=generator) * 0.1
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.1)
    return network


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(KINDS), st.sampled_from(["batch", "none"]), st.sampled_from(["silu", "prelu"]),
       st.integers(1, 2), st.integers(3, 6), st.integers(2, 4), st.integers(0, 1000))  # fmt: skip
def test_the_whole_chain_is_equal_in_float64(kind, norm, activation, blocks, channels, scale, seed):
    config = PiperSRConfig("pipersr", blocks, channels, scale, activation, norm, kind)
    network = lively(config, seed).double()
    collapsed, deployed = collapse_branches(network), to_deploy(network)
    assert prove_equal(network, collapsed).holds
    assert prove_equal(network, deployed).holds
    assert not any(isinstance(module, RepConv2d | nn.BatchNorm2d) for module in deployed.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_the_copies_are_the_networks_that_their_configurations_describe(kind):
    network = lively(PiperSRConfig(blocks=2, channels=6, branches=kind))
    for copy, norm in ((collapse_branches(network), "batch"), (to_deploy(network), "none")):
        assert copy.config == PiperSRConfig(blocks=2, channels=6, norm=norm)
        again = models.build(copy.config)
        again.load_state_dict(copy.state_dict())  # the same names and shapes
        lr = torch.rand(1, 3, 8, 8)
        assert torch.equal(again.eval()(lr), copy.eval()(lr))
    assert network.config.branches == kind
    assert network.training


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_network_comes_out_of_branches(kind):
    network = models.build(PiperSRConfig(branches=kind))
    assert models.parameters(network) > 453_388
    assert models.parameters(collapse_branches(network)) == 453_388
    assert models.parameters(to_deploy(network)) == 451_852


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_network_can_go_on_with_branches(kind):
    network = lively(PiperSRConfig(blocks=1, channels=5)).double()
    expanded = expand_branches(network, kind)
    assert expanded.config == PiperSRConfig(blocks=1, channels=5, branches=kind)
    assert prove_equal(network, expanded).holds
    assert not any(isinstance(module, RepConv2d) for module in network.modules())
    assert list(expanded.state_dict()) == list(models.build(expanded.config).state_dict())


def test_a_network_without_configuration_is_deployed_too():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), RepConv2d(4, 3, "ecb")).double()
    assert prove_equal(network, to_deploy(network)).holds


def test_a_norm_that_cannot_be_folded_stays_and_is_still_described():
    network = models.build(PiperSRConfig(blocks=1, channels=4))
    network.head = nn.Sequential(network.head, nn.ReLU(), nn.BatchNorm2d(4))
    assert to_deploy(network).config.norm == "batch"


def test_folding_refuses_branches_rather_than_leave_norms_behind():
    with pytest.raises(ValueError, match=r"fusion\.to_deploy"):
        fold_batch_norms(models.build(PiperSRConfig(blocks=1, channels=4, branches="repvgg")))


def test_the_proof_sees_a_branch_that_is_left_out():
    network = lively(PiperSRConfig(blocks=1, channels=4, branches="ecb")).double()
    wrong = to_deploy(network)
    wrong.body[0].conv1.weight.data -= network.body[0].conv1.beside["edges"].kernel() * 1e-3
    assert not prove_equal(network, wrong).holds


class Doubled(Collapsible):
    """Two convolutions that are one, with another such pair inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = RepConv2d(channels, channels, "repvgg")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.inner(x)

    def collapse(self) -> nn.Module:
        plain = self.inner.collapse()
        plain.weight.data *= 2
        plain.bias.data *= 2
        return plain


class Mixture(nn.Module):
    """Batch norms, branches, a collapsible inside another, one module in two places, and control flow."""

    def __init__(self) -> None:
        super().__init__()
        self.config = ESPCNConfig()
        self.head = nn.Sequential(RepConv2d(3, 4, "ecb"), nn.BatchNorm2d(4), nn.SiLU())
        self.body = nn.ModuleList([Doubled(4)])
        self.body.append(self.body[0])
        self.tail = nn.Sequential(nn.Conv2d(4, 12, 3, padding=1), nn.BatchNorm2d(12), nn.PixelShuffle(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(x)
        if x.mean() > 100:  # torch.fx cannot follow this
            return self.tail(x)
        for block in self.body:
            x = x + block(x)
        return self.tail(x)


def test_any_mixture_is_deployed_and_equal():
    network = shaken(Mixture()).double()
    deployed = to_deploy(network)
    assert prove_equal(network, deployed).holds
    kinds = [type(module) for module in deployed.modules()]
    assert not {RepConv2d, Doubled, nn.BatchNorm2d} & set(kinds)
    assert deployed.body[0] is deployed.body[1]
    assert deployed.config == ESPCNConfig()  # which knows neither norms nor branches


def every_kind_of_block() -> nn.Sequential:
    """Blocks of five families in one chain, with a batch norm after each; one cannot be traced."""
    return nn.Sequential(
        RepConv2d(3, 8, "ecb"), nn.BatchNorm2d(8), nn.ReLU(),
        LinearBlock(8, 8, 3, 16, bias=True, residual=True), nn.BatchNorm2d(8, affine=False),
        RepConv3(8, 8), nn.BatchNorm2d(8), nn.SiLU(),
        ResidualBlock(8, Bottleneck(8, norm=True), GatedPair(8)), nn.BatchNorm2d(8), nn.ReLU(),
        GainedConvolution(8, 12, 0.1), nn.BatchNorm2d(12), nn.PixelShuffle(2),
    )  # fmt: skip


def test_batch_norms_around_a_part_that_cannot_be_traced_are_folded():
    network = shaken(every_kind_of_block()).double()
    deployed = to_deploy(network)
    assert prove_equal(network, deployed).holds
    stay = [name for name, module in deployed.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert stay == ["9"]  # what it follows is a sum and no convolution
    assert not any(isinstance(module, Collapsible) for module in deployed.modules())


def test_a_network_that_is_collapsible_itself():
    network = shaken(Doubled(3)).double()
    assert isinstance(to_deploy(network), nn.Conv2d)
    assert prove_equal(network, to_deploy(network)).holds


class Twice(nn.Module):
    """One convolution, its batch norm after the second call only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(torch.relu(self.conv(x))))


def test_a_convolution_that_is_called_twice_keeps_its_norm():
    network = shaken(Twice()).double()
    assert isinstance(to_deploy(network).norm, nn.BatchNorm2d)
    assert prove_equal(network, to_deploy(network)).holds


def test_the_proof_is_relative_to_large_outputs_and_sees_nan():
    assert Proof(1e-7, 255.0).holds
    assert not Proof(1e-8, 0.5).holds
    assert not Proof(float("nan"), 1.0).holds
    network = nn.Conv2d(3, 3, 3).double()
    nn.init.constant_(network.weight, float("nan"))
    assert not prove_equal(network, network).holds
