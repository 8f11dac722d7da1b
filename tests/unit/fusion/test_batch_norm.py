import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import fold_batch_norms, prove_equal
from pipersr_build.models.pipersr import PiperSRConfig


def with_random_statistics(network: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            n = module.num_features
            module.running_mean = torch.randn(n, generator=generator)
            module.running_var = torch.rand(n, generator=generator) * 3 + 0.01
            module.weight.data = torch.randn(n, generator=generator)
            module.bias.data = torch.randn(n, generator=generator)
    return network


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(3, 9), st.sampled_from([2, 3, 4]),
       st.sampled_from(["silu", "relu", "prelu", "gelu"]), st.integers(0, 1000))  # fmt: skip
def test_the_folded_network_is_equal_in_float64(blocks, channels, scale, activation, seed):
    config = PiperSRConfig(blocks=blocks, channels=channels, scale=scale, activation=activation)
    network = with_random_statistics(models.build(config), seed)
    folded, count = fold_batch_norms(network.double())
    assert count == 2 * blocks
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert prove_equal(network, folded).holds


def test_the_published_network_loses_twelve_batch_norms_and_1536_parameters():
    folded, count = fold_batch_norms(models.build(PiperSRConfig()))
    assert (count, models.parameters(folded)) == (12, 451_852)


def test_the_original_is_not_touched():
    network = with_random_statistics(models.build(PiperSRConfig(blocks=1, channels=4)))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fold_batch_norms(network)
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1)],
        [nn.Conv2d(3, 6, 3, padding=1, groups=3), nn.BatchNorm2d(6, affine=False), nn.Conv2d(6, 3, 1)],
    ],
)
def test_convolutions_without_bias_grouped_and_norms_without_gain(layers):
    network = nn.Sequential(*layers)
    network[1].running_mean.uniform_(-1, 1)
    network[1].running_var.uniform_(0.1, 2)
    folded, count = fold_batch_norms(network.double())
    assert count == 1
    assert prove_equal(network, folded).holds


class Shared(nn.Module):
    """The convolution's result is used twice, so its norm must stay."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return y + self.norm(y)


def test_a_norm_that_is_not_the_only_consumer_stays():
    folded, count = fold_batch_norms(with_random_statistics(Shared()))
    assert count == 0
    assert isinstance(folded.norm, nn.BatchNorm2d)


def test_the_proof_sees_a_wrong_fold():
    network = with_random_statistics(models.build(PiperSRConfig(blocks=1, channels=4))).double()
    folded, _ = fold_batch_norms(network)
    folded.body[0].conv1.bias.data += 1e-6
    assert not prove_equal(network, folded).holds
