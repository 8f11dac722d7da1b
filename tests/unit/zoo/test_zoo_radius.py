import pytest
import torch
from torch import nn

from pipersr_build.models.weights import load_weights
from pipersr_build.zoo.radius import receptive_radius


def network(*layers, scale=2):
    return nn.Sequential(*layers, nn.Conv2d(3, 3 * scale**2, 1), nn.PixelShuffle(scale))


@pytest.mark.parametrize(("kernels", "radius"), [((1,), 0), ((3,), 1), ((3, 3, 5), 4), ((17, 9), 12)])
def test_a_chain_of_convolutions_looks_as_far_as_its_kernels(kernels, radius):
    layers = [layer for k in kernels for layer in (nn.Conv2d(3, 3, k, padding=k // 2), nn.ReLU())]
    assert receptive_radius(network(*layers), 2) == radius


def test_weights_that_are_zero_count():
    chain = network(nn.Conv2d(3, 3, 7, padding=3))
    nn.init.zeros_(chain[0].weight)
    assert receptive_radius(chain, 2) == 3


@pytest.mark.parametrize(
    "layers",
    [
        (nn.AdaptiveAvgPool2d(1), nn.Upsample(size=(64, 64))),
        (nn.Conv2d(3, 3, (1, 61), padding=(0, 30)),),
        (nn.AvgPool2d(8), nn.Upsample(scale_factor=8)),
    ],
)
def test_what_looks_everywhere_or_not_equally_far_has_no_radius(layers):
    assert receptive_radius(network(*layers), 2) is None


class Single(nn.Module):
    """Makes a tensor of float32 whatever its own type is."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(torch.zeros(x.shape[0], 3))[:, :, None, None] + x


def test_a_network_that_does_not_compute_in_float64_has_none_that_is_known():
    assert Single()(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 4, 4)
    assert receptive_radius(Single(), 1) is None


def test_large_networks_are_not_measured():
    assert receptive_radius(network(nn.Conv2d(3, 3, 409, padding=204)), 2) is None


def test_a_network_keeps_its_type_and_weights(compact, tmp_path):
    torch.save(compact, tmp_path / "w.pth")
    found = load_weights(tmp_path / "w.pth")
    assert found.config.receptive_radius == 4  # four convolutions of 3x3
    assert next(found.network.parameters()).dtype == torch.float32
