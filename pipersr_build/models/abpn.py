"""ABPN: plain convolutions that learn the residual to an anchor, the input repeated.

    conv 3x3 3 -> f -> m x [conv 3x3 f -> f] -> conv 3x3 f -> 3 s^2, each with ReLU -> conv 3x3 3 s^2 -> 3 s^2
    + the input, repeated s^2 times -> PixelShuffle(s)

With `tail=1` the last two convolutions are one, without ReLU. The anchor is a 1x1 convolution that repeats
each colour: a fixed one here has no parameters, a trained one has weights and bias. PixelShuffle takes each
colour's s^2 values one after the other, so that is the order of the repetition.

Du et al., "Anchor-based plain net for mobile image super-resolution", CVPR workshops 2021, with f=28, m=4.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipersr_build.models.anchor import FixedAnchor
from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import nearest_kernel
from pipersr_build.models.plain import check_between, check_scale


@dataclass
class ABPNConfig:
    """What a variant of the network may change."""

    family: str = "abpn"
    channels: int = 28
    blocks: int = 4
    tail: int = 2  # convolutions after the body: 2, 1
    trained_anchor: bool = False
    scale: int = 2

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("channels", self.channels, 1, 1024)
        check_between("blocks", self.blocks, 0, 256)
        check_between("tail", self.tail, 1, 2)


class ABPN(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped."""

    def __init__(self, config: ABPNConfig) -> None:
        super().__init__()
        self.config = config
        width, outputs = config.channels, 3 * config.scale**2
        widths = [3, *[width] * (config.blocks + 1), *[outputs] * config.tail]
        self.convolutions = nn.Sequential(*(nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths)))
        self.anchor = nn.Conv2d(3, outputs, 1) if config.trained_anchor else FixedAnchor(config.scale)
        self.activation, self.upsample = nn.ReLU(), nn.PixelShuffle(config.scale)
        _start(self)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        x, last = lr, len(self.convolutions) - 1
        for place, convolution in enumerate(self.convolutions):
            x = convolution(x) if place == last else self.activation(convolution(x))
        sr: Tensor = self.upsample(x + self.anchor(lr))
        return sr


@torch.no_grad()
def _start(network: ABPN) -> None:
    """Glorot's normal start with biases of 0; the anchor repeats."""
    for module in network.convolutions:
        assert isinstance(module, nn.Conv2d)
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    if isinstance(network.anchor, nn.Conv2d):
        network.anchor.weight.copy_(nearest_kernel(3, network.config.scale))
        nn.init.zeros_(network.anchor.bias)  # type: ignore[arg-type]


def facts(config: ABPNConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"ABPN {config.scale}x, {config.blocks} blocks, {config.channels} channels",
        scale=config.scale,
        receptive_radius=1 + config.blocks + config.tail,  # one pixel for each 3x3 convolution
        size_multiple=1,
        source="https://arxiv.org/abs/2105.09750",
        licence="written from the paper's description; no weights of others are used",
    )
