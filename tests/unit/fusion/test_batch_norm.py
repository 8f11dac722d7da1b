import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import fold_batch_norms, prove_equal, to_deploy
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quantized import QuantizedConv2d


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


class Pair(nn.Module):
    """A part that can be traced: a convolution and its batch norm."""

    def __init__(self, convolution: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = convolution or nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.conv(x))


class Dynamic(nn.Module):
    """What torch.fx cannot trace, with a part that can be folded whatever else there is."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.part = Pair(), Pair()

    def forward(self, x):
        x = self.head(x)
        return self.rest(x) if x.mean() < 1e6 else x

    def rest(self, x):
        return self.part(x)


class ConvolutionOfTwoParts(Dynamic):
    def __init__(self) -> None:
        super().__init__()
        self.other = Pair(self.part.conv)

    def rest(self, x):
        return self.part(x) + self.other(x)


class ConvolutionOfEitherPart(ConvolutionOfTwoParts):
    """Each run sees one of the two."""

    def rest(self, x):
        return self.part(x) if x.mean() > 0 else self.other(x)


class ConvolutionAloneToo(Dynamic):
    def rest(self, x):
        return self.part(x) + self.part.conv(x)


class ConvolutionAloneOnSomePictures(Dynamic):
    def forward(self, x):
        y = super().forward(x)
        return y + self.part.conv(x) if x.max() > 10 else y


class WeightReadElsewhere(Dynamic):
    def rest(self, x):
        return self.part(x) + nn.functional.conv2d(x, self.part.conv.weight, padding=1)


class OffsetOfTheNormReadElsewhere(Dynamic):
    def rest(self, x):
        return self.part(x) + self.part.norm.bias[:, None, None]


class ResultReadByAHook(Dynamic):
    def __init__(self) -> None:
        super().__init__()
        self.part.conv.register_forward_hook(lambda *_: self.part.conv.bias.new_ones(1, 3, 24, 32))


class ContainerThatIsNotCalled(Dynamic):
    """The part's own order is not the one in which its members run."""

    def rest(self, x):
        return self.part.norm(torch.relu(self.part.conv(x)))


class PartCalledTwice(Dynamic):
    def rest(self, x):
        return self.part(torch.relu(self.part(x)))


class ParametrisedConvolution(Dynamic):
    def __init__(self) -> None:
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.part.conv)


MIXTURES = [
    ConvolutionOfTwoParts, ConvolutionOfEitherPart, ConvolutionAloneToo, ConvolutionAloneOnSomePictures,
    WeightReadElsewhere, OffsetOfTheNormReadElsewhere, ResultReadByAHook, ContainerThatIsNotCalled,
    PartCalledTwice, ParametrisedConvolution,
]  # fmt: skip


@pytest.mark.parametrize("kind", MIXTURES)
def test_a_part_of_a_dynamic_network_keeps_a_norm_that_is_not_alone(kind):
    network = with_random_statistics(kind()).double()
    folded = to_deploy(network)
    assert isinstance(folded.part.norm, nn.BatchNorm2d)
    assert isinstance(folded.head.norm, nn.Identity)  # the other part is folded all the same
    assert prove_equal(network, folded).holds


def test_both_parts_are_folded_where_nothing_stands_against_it():
    network = with_random_statistics(Dynamic()).double()
    folded, count = fold_batch_norms(network)
    assert count == 2
    assert prove_equal(network, folded).holds


def test_a_dynamic_network_that_does_not_take_pictures_keeps_its_norms():
    network = Dynamic()
    network.head = Pair(nn.Conv2d(7, 3, 3, padding=1))
    assert fold_batch_norms(network)[1] == 0


class Static(nn.Module):
    """What torch.fx traces as a whole."""

    def __init__(self, convolution: nn.Module | None = None) -> None:
        super().__init__()
        self.part = Pair(convolution)

    def forward(self, x):
        return self.part(x)


class WeightAsArgument(Static):
    def forward(self, x):
        return self.part(x) + nn.functional.conv2d(x, self.part.conv.weight, padding=1)


class WeightComputedWith(Static):
    """Its sum is a constant of the graph, which does not say where it comes from."""

    def forward(self, x):
        return self.part(x) + nn.functional.conv2d(x, self.part.conv.weight.sum((2, 3), keepdim=True))


class OffsetOfTheNorm(Static):
    def forward(self, x):
        return self.part(x) + self.part.norm.bias[:, None, None]


def quantized() -> Static:
    return Static(QuantizedConv2d(nn.Conv2d(3, 3, 3, padding=1), torch.tensor([-1.0, 2.0])))


def weight_normed() -> Static:
    network = Static()
    nn.utils.parametrizations.weight_norm(network.part.conv)
    return network


def hooked() -> Static:
    network = Static()
    network.part.conv.register_forward_hook(lambda _, __, result: 2 * result)
    return network


@pytest.mark.parametrize(
    "make", [WeightAsArgument, WeightComputedWith, OffsetOfTheNorm, quantized, weight_normed, hooked]
)
def test_a_traced_network_keeps_a_norm_whose_convolution_is_more_than_a_call(make):
    network = with_random_statistics(make()).double()
    folded = to_deploy(network)
    assert isinstance(folded.part.norm, nn.BatchNorm2d)
    assert prove_equal(network, folded).holds


class TwoNames(Pair):
    """The same modules again, in the list that the forward goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(self.conv, self.norm)

    def forward(self, x):
        return self.layers(x)


def test_a_norm_with_two_names_is_gone_under_both():
    network = with_random_statistics(TwoNames()).double()
    folded, count = fold_batch_norms(network)
    assert count == 1
    assert prove_equal(network, folded).holds


def test_the_proof_sees_a_wrong_fold():
    network = with_random_statistics(models.build(PiperSRConfig(blocks=1, channels=4))).double()
    folded, _ = fold_batch_norms(network)
    folded.body[0].conv1.bias.data += 1e-6
    assert not prove_equal(network, folded).holds
