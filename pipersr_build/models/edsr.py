"""EDSR: residual blocks without batch norms; the baseline that most papers compare with.

    255 (x - mean) -> conv 3x3 3 -> f -> m x [x + r conv(ReLU(conv(x)))] -> conv, + head output
    -> conv 3x3 f -> 4 f, PixelShuffle(2) (twice for 4x; 9 f and PixelShuffle(3) for 3x) -> conv 3x3 f -> 3
    -> / 255 + mean

Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPR workshops 2017. The
baseline is f=64, m=16, r=1; the large network f=256, m=32, r=0.1. The mean shift stays outside the first
convolution: inside, its zero padding would be black and no longer the mean colour.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.plain import check_between, check_scale

MEAN = (0.4488, 0.4371, 0.4040)  # DIV2K's training pictures, RGB
RANGE = 255.0  # the network works in levels of 8 bits


@dataclass
class EDSRConfig:
    """What a variant of the network may change."""

    family: str = "edsr"
    blocks: int = 16
    channels: int = 64
    residual_scale: float = 1.0
    scale: int = 2

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 256)
        check_between("channels", self.channels, 1, 1024)
        check_between("residual_scale", self.residual_scale, 0, 1)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """x + r conv(ReLU(conv(x))), shape kept: B, C, H, W."""

    def __init__(self, channels: int, residual_scale: float) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(channels, channels), _convolution(channels, channels)
        self.activation, self.residual_scale = nn.ReLU(), residual_scale

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        residual: Tensor = self.conv2(self.activation(self.conv1(x)))
        return x + (residual if self.residual_scale == 1 else residual * self.residual_scale)


def _upsample(channels: int, scale: int) -> nn.Sequential:
    """Convolutions and PixelShuffles to the large size: B, C, H, W to B, C, scale H, scale W."""
    layers: list[nn.Module] = []
    for factor in (2, 2) if scale == 4 else (scale,):
        layers += [_convolution(channels, channels * factor**2), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


class EDSR(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped."""

    mean: Tensor

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.head = _convolution(3, width)
        self.body = nn.Sequential(
            *(ResidualBlock(width, config.residual_scale) for _ in range(config.blocks))
        )
        self.last = _convolution(width, width)
        self.upsample = _upsample(width, config.scale)
        self.tail = _convolution(width, 3)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        features = self.head((lr - self.mean) * RANGE)  # B, C, H, W
        deep = self.last(self.body(features)) + features
        sr: Tensor = self.tail(self.upsample(deep)) * (1 / RANGE) + self.mean
        return sr


def facts(config: EDSRConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"EDSR {config.scale}x, {config.blocks} blocks, {config.channels} channels",
        scale=config.scale,
        # head, blocks, last, the first one of the upsampling; what follows reaches one LR pixel further
        receptive_radius=1 + 2 * config.blocks + 1 + 1 + 1,
        size_multiple=1,
        source="https://arxiv.org/abs/1707.02921",
        licence="written from the paper's description; no weights of others are used",
    )
