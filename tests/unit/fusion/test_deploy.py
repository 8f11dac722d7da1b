import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import collapse_branches, deploy, expand_branches, fold_batch_norms, prove_equal
from pipersr_build.models.branches import RepConv2d
from pipersr_build.models.pipersr import PiperSRConfig

KINDS = ["repvgg", "ecb"]


def lively(config: PiperSRConfig, seed: int = 0) -> nn.Module:
    """A network whose every parameter and statistic is off its first value."""
    generator = torch.Generator().manual_seed(seed)
    network = models.build(config)
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
    collapsed, deployed = collapse_branches(network), deploy(network)
    assert prove_equal(network, collapsed).holds
    assert prove_equal(network, deployed).holds
    assert not any(isinstance(module, RepConv2d | nn.BatchNorm2d) for module in deployed.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_the_copies_are_the_networks_that_their_configurations_describe(kind):
    network = lively(PiperSRConfig(blocks=2, channels=6, branches=kind))
    for copy, norm in ((collapse_branches(network), "batch"), (deploy(network), "none")):
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
    assert models.parameters(deploy(network)) == 451_852


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
    assert prove_equal(network, deploy(network)).holds


def test_a_norm_that_cannot_be_folded_stays_and_is_still_described():
    network = models.build(PiperSRConfig(blocks=1, channels=4))
    network.head = nn.Sequential(network.head, nn.ReLU(), nn.BatchNorm2d(4))
    assert deploy(network).config.norm == "batch"


def test_folding_refuses_branches_rather_than_leave_norms_behind():
    with pytest.raises(ValueError, match=r"fusion\.deploy"):
        fold_batch_norms(models.build(PiperSRConfig(blocks=1, channels=4, branches="repvgg")))


def test_the_proof_sees_a_branch_that_is_left_out():
    network = lively(PiperSRConfig(blocks=1, channels=4, branches="ecb")).double()
    wrong = deploy(network)
    wrong.body[0].conv1.weight.data -= network.body[0].conv1.beside["edges"].kernel() * 1e-3
    assert not prove_equal(network, wrong).holds
