"""RFDN: feature distillation by 1x1 convolutions, with spatial attention; E-RFDN won AIM 2020's challenge.

    head -> blocks -> concat of all blocks -> 1x1 -> LeakyReLU -> conv -> + head -> conv -> PixelShuffle
    block: three times [1x1 to half the channels, LeakyReLU: kept; LeakyReLU(conv 3x3 + input): goes on],
           conv 3x3 to half, LeakyReLU; concat -> 1x1 -> attention

Liu, Tang and Wu 2020, "Residual Feature Distillation Network for Lightweight Image Super-Resolution".
E-RFDN has 50 channels and 4 blocks; `rfdn_2x` is six of its blocks, with 611,112 parameters. The paper's
RFDN of six blocks has 534 K, so that its published figures are not this network's.

The attention looks at the picture through a stride, a pool of 7 and stride 3 and a bilinear enlargement to
the picture's size: tiles do not add up to the frame, and the sizes must be locked before conversion, as our
contracts do. The smallest picture is 15 x 15 pixels.

A new network is exactly the nearest-neighbour upscaler: what the head's output is added to starts at zero.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, max_pool2d

from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import pass_colours
from pipersr_build.models.plain import check_between, check_scale

SLOPE = 0.05  # of LeakyReLU below zero
STAGES = 3


@dataclass
class RFDNConfig:
    """What a variant may change."""

    family: str = "rfdn"
    blocks: int = 4
    channels: int = 50
    scale: int = 2

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 64)
        check_between("channels", self.channels, 4, 512)


class SpatialAttention(nn.Module):
    """x times a gain per pixel and channel, seen at a sixth of the size (ESA: Liu et al. 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        f = channels // 4
        self.narrow = nn.Conv2d(channels, f, 1)
        self.beside = nn.Conv2d(f, f, 1)
        self.stride = nn.Conv2d(f, f, 3, stride=2)
        self.small = nn.ModuleList(nn.Conv2d(f, f, 3, padding=1) for _ in range(3))
        self.widen = nn.Conv2d(f, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        narrow = self.narrow(x)
        small = max_pool2d(self.stride(narrow), kernel_size=7, stride=3)
        small = torch.relu(self.small[0](small))
        small = self.small[2](torch.relu(self.small[1](small)))
        large = interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.widen(large + self.beside(narrow)))


class Block(nn.Module):
    """The residual feature distillation block; shape kept: B, C, H, W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.keep = nn.ModuleList(nn.Conv2d(channels, half, 1) for _ in range(STAGES))
        self.refine = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(STAGES))
        self.last = nn.Conv2d(channels, half, 3, padding=1)
        self.merge = nn.Conv2d((STAGES + 1) * half, channels, 1)
        self.attention = SpatialAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        kept, rest = [], x
        for keep, refine in zip(self.keep, self.refine, strict=True):
            kept.append(leaky_relu(keep(rest), SLOPE))
            rest = leaky_relu(refine(rest) + rest, SLOPE)
        kept.append(leaky_relu(self.last(rest), SLOPE))
        out: Tensor = self.attention(self.merge(torch.cat(kept, dim=1)))
        return out


class RFDN(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped."""

    def __init__(self, config: RFDNConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.body = nn.ModuleList(Block(c) for _ in range(config.blocks))
        self.fuse = nn.Conv2d(c * config.blocks, c, 1)
        self.after = nn.Conv2d(c, c, 3, padding=1)
        self.tail = nn.Conv2d(c, 3 * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        pass_colours(self.head, self.tail, config.scale)
        for parameter in self.after.parameters():
            nn.init.zeros_(parameter)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W; H and W at least 15."""
        head = self.head(lr)  # B, C, H, W
        outputs = [head]
        for block in self.body:
            outputs.append(block(outputs[-1]))
        deep = self.after(leaky_relu(self.fuse(torch.cat(outputs[1:], dim=1)), SLOPE))
        sr: Tensor = self.upsample(self.tail(deep + head))
        return sr


def facts(config: RFDNConfig) -> Facts:
    """What other rooms need to know about a variant."""
    name = "E-RFDN" if (config.blocks, config.channels) == (4, 50) else "RFDN"
    return Facts(
        title=f"{name} {config.scale}x, {config.blocks} blocks, {config.channels} channels",
        scale=config.scale,
        receptive_radius=None,  # the attention's grid depends on the picture's size
        size_multiple=1,
        source="https://arxiv.org/abs/2009.11551",
        licence="written from the paper's description; no weights of others are used",
    )
