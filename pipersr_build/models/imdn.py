"""IMDN: information multi-distillation, which keeps a part of every convolution's channels for the end.

    head -> blocks -> (concat of all blocks -> 1x1 -> LeakyReLU -> conv | 1x1) -> + head -> conv
         -> PixelShuffle(scale)
    block: three times [conv 3x3, LeakyReLU; a quarter of the channels is kept, the rest goes on], conv 3x3;
           concat of the kept and the last -> (contrast-aware channel attention) -> 1x1 -> + block input

Hui et al. 2019, "Lightweight Image Super-Resolution with Information Multi-distillation Network". IMDN has
64 channels, 6 blocks, attention and the concat; IMDN_RTC, its real-time variant, 12 channels, 5 blocks,
neither. The attention needs each channel's mean and deviation over the whole picture: so tiles do not add
up to the frame, and the Neural Engine meets two reductions per block. The sums are means here (reduce_mean),
which fp16 holds at any size, where the published sums overflow it.

A new network is exactly the nearest-neighbour upscaler: what the head's output is added to starts at zero.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import pass_colours
from pipersr_build.models.plain import check_between, check_scale

SLOPE = 0.05  # of LeakyReLU below zero
STAGES = 3
REDUCTION = 16  # of channels inside the attention


@dataclass
class IMDNConfig:
    """What a variant may change."""

    family: str = "imdn"
    blocks: int = 6
    channels: int = 64
    scale: int = 2
    attention: bool = True  # contrast-aware channel attention in every block
    fusion: bool = True  # all blocks' outputs are concatenated; else the last one's goes on alone

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 64)
        check_between("channels", self.channels, REDUCTION if self.attention else 4, 512)


class ContrastAttention(nn.Module):
    """x times a gain per channel, made of the channels' standard deviations and means over H, W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.excite = nn.Conv2d(channels // REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        # torch.std has the gradient 0 where a channel is constant; a square root's would be infinite
        contrast = torch.std(x, dim=(2, 3), correction=0, keepdim=True) + x.mean((2, 3), keepdim=True)
        gain = torch.sigmoid(self.excite(torch.relu(self.squeeze(contrast))))  # B, C, 1, 1
        return x * gain


class Block(nn.Module):
    """The multi-distillation block; shape kept: B, C, H, W."""

    def __init__(self, channels: int, attention: bool) -> None:
        super().__init__()
        kept = channels // 4
        self.split = [kept, channels - kept]
        widths = [channels, *[channels - kept] * STAGES]
        self.stages = nn.ModuleList(nn.Conv2d(c, channels, 3, padding=1) for c in widths[:-1])
        self.last = nn.Conv2d(widths[-1], kept, 3, padding=1)
        self.attention = ContrastAttention(channels) if attention else nn.Identity()
        self.merge = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        kept, rest = [], x
        for stage in self.stages:
            parts = torch.split(leaky_relu(stage(rest), SLOPE), self.split, dim=1)
            kept.append(parts[0])
            rest = parts[1]
        merged: Tensor = self.merge(self.attention(torch.cat([*kept, self.last(rest)], dim=1)))
        return merged + x


class IMDN(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped."""

    def __init__(self, config: IMDNConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.body = nn.ModuleList(Block(c, config.attention) for _ in range(config.blocks))
        self.fuse = nn.Conv2d(c * config.blocks if config.fusion else c, c, 1)
        self.after = nn.Conv2d(c, c, 3, padding=1) if config.fusion else nn.Identity()
        self.tail = nn.Conv2d(c, 3 * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        pass_colours(self.head, self.tail, config.scale)
        for parameter in (self.after if config.fusion else self.fuse).parameters():
            nn.init.zeros_(parameter)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        head = self.head(lr)  # B, C, H, W
        outputs = [head]
        for block in self.body:
            outputs.append(block(outputs[-1]))
        if self.config.fusion:
            deep = self.after(leaky_relu(self.fuse(torch.cat(outputs[1:], dim=1)), SLOPE))
        else:
            deep = self.fuse(outputs[-1])
        sr: Tensor = self.upsample(self.tail(deep + head))
        return sr


def facts(config: IMDNConfig) -> Facts:
    """What other rooms need to know about a variant."""
    name = "IMDN" if config.fusion else "IMDN_RTC"
    convolutions = 2 + config.fusion + (STAGES + 1) * config.blocks
    return Facts(
        title=f"{name} {config.scale}x, {config.blocks} blocks, {config.channels} channels",
        scale=config.scale,
        receptive_radius=None if config.attention else convolutions,
        size_multiple=1,
        source="https://arxiv.org/abs/1909.11856",
        licence="written from the paper's description; no weights of others are used",
    )
