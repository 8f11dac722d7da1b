"""SPAN: six blocks whose own output, through a sigmoid, is their attention; no pooling, no other branch.

    head -> 6 x block -> conv -> concat[head, conv, first block, activated first conv of the last block]
         -> 1x1 -> 3x3 -> PixelShuffle(scale)
    block: o = c3(SiLU(c2(SiLU(c1(x))))), (o + x) (sigmoid(o) - 0.5)

Wan et al. 2024, "Swift Parameter-free Attention Network for Efficient Super-Resolution". The published
network has 52 channels, SPAN-S 48. Its 3x3 convolutions (those of head, blocks and the one after them) are
trained as 1x1 to twice the channels, 3x3, 1x1 back, plus a 1x1 beside; `RepConv3` runs the product of the
kernels, in training too: the same function and gradient at the cost of the plain convolution.

The published network multiplies its input, less the corpus' mean colour, by 255 and returns values in
[0, 1]. Here the factor is inside the head's kernel, gain (w * x) instead of w * (gain x), which is exact,
borders included; the deployed network has one operation less and no tensor of that range before the head.
The mean stays an operation: folded into a bias it would be wrong where the convolution is padded. The start,
as nearest-neighbour upscaler, is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, silu

from pipersr_build.models.collapsible import Collapsible
from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import convolution
from pipersr_build.models.plain import check_between, check_scale

BLOCKS = 6  # fixed: the last convolution but one names its inputs
EXPANSION = 2
MEAN_COLOR = (0.4488, 0.4371, 0.4040)  # of DIV2K, RGB in [0, 1]


@dataclass
class SPANConfig:
    """What a variant may change; the published channels are 52 (SPAN) and 48 (SPAN-S)."""

    family: str = "span"
    channels: int = 52
    scale: int = 2
    input_gain: float = 255.0  # on the input less the mean colour, inside the head's kernel

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("channels", self.channels, 3, 512)  # three pass red, green and blue through
        check_between("input_gain", self.input_gain, 1e-3, 1e3)


class RepConv3(Collapsible):
    """gain times x, then 1x1, 3x3, 1x1 with biases plus a 1x1 beside, run as one 3x3 convolution.

    The published block pads before its first 1x1 convolution, so that this one's bias reaches the padded
    pixels as well: that is what makes one convolution with zero padding exactly equal.

    Args:
        inputs: channels in.
        outputs: channels out.
        gain: on the input.
    """

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.widen = nn.Conv2d(inputs, EXPANSION * inputs, 1)
        self.square = nn.Conv2d(EXPANSION * inputs, EXPANSION * outputs, 3)
        self.narrow = nn.Conv2d(EXPANSION * outputs, outputs, 1)
        self.beside = nn.Conv2d(inputs, outputs, 1)

    def collapsed(self) -> tuple[Tensor, Tensor]:
        """The kernel (out, in, 3, 3) and bias (out), differentiable, not in lower precision by autocast."""
        with torch.autocast(self.narrow.weight.device.type, enabled=False):
            widen, narrow = self.widen.weight[:, :, 0, 0], self.narrow.weight[:, :, 0, 0]
            square = torch.tensordot(narrow, self.square.weight, dims=1)  # out, between, 3, 3
            kernel = torch.tensordot(square, widen, dims=([1], [0])).permute(0, 3, 1, 2)
            kernel = kernel + nn.functional.pad(self.beside.weight, (1, 1, 1, 1))
            biases = [convolution.bias for convolution in (self.widen, self.square, self.narrow, self.beside)]
            first, second, third, beside = (b for b in biases if b is not None)
            bias = square.sum((2, 3)) @ first + narrow @ second + third + beside
            return self.gain * kernel, bias

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with zero padding: B, in, H, W to B, out, H, W."""
        kernel, bias = self.collapsed()
        return conv2d(x, kernel, bias, padding=1)

    def collapse(self) -> nn.Module:
        """The plain 3x3 convolution with the same kernel and bias."""
        return convolution(*self.collapsed()).train(self.training)


class Block(nn.Module):
    """Three convolutions and the attention of their output on itself; shape kept: B, C, H, W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1, self.c2, self.c3 = (RepConv3(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and its first convolution's result after the activation."""
        first = silu(self.c1(x))
        out = self.c3(silu(self.c2(first)))
        return (out + x) * (torch.sigmoid(out) - 0.5), first


class SPAN(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped."""

    mean: Tensor

    def __init__(self, config: SPANConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.register_buffer("mean", torch.tensor(MEAN_COLOR).view(1, 3, 1, 1), persistent=False)
        self.head = RepConv3(3, c, config.input_gain)
        self.body = nn.ModuleList(Block(c) for _ in range(BLOCKS))
        self.after = RepConv3(c, c)
        self.merge = nn.Conv2d(4 * c, c, 1)
        self.tail = nn.Conv2d(c, 3 * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        _start_as_nearest_neighbour(self)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        head = self.head(lr - self.mean)  # B, C, H, W, as all that follow
        early, inner = self.body[0](head)
        x = early
        for block in self.body[1:]:
            x, inner = block(x)
        merged = self.merge(torch.cat([head, self.after(x), early, inner], dim=1))
        sr: Tensor = self.upsample(self.tail(merged))
        return sr


@torch.no_grad()
def _start_as_nearest_neighbour(network: SPAN) -> None:
    """Set the weights so that the first output repeats each pixel, up to rounding.

    Head and merge pass red, green and blue, less their means, through their first three channels, the
    tail puts them into the sub-pixels and adds the means. All other channels keep their random start.
    """
    head, merge, tail, scale = network.head, network.merge, network.tail, network.config.scale
    for convolution_ in (head.narrow, head.beside, merge):
        convolution_.weight[:3] = 0
        convolution_.bias[:3] = 0  # type: ignore[index]
    head.beside.weight[range(3), range(3)] = 1 / head.gain
    merge.weight[range(3), range(3)] = 1
    tail.weight.zero_()
    for output in range(3 * scale**2):
        tail.weight[output, output // scale**2, 1, 1] = 1
    tail.bias.copy_(network.mean.flatten().repeat_interleave(scale**2))  # type: ignore[union-attr]


def facts(config: SPANConfig) -> Facts:
    """What other rooms need to know about a variant."""
    name = {48: "SPAN-S", 52: "SPAN"}.get(config.channels, f"SPAN of {config.channels} channels")
    return Facts(
        title=f"{name} {config.scale}x",
        scale=config.scale,
        receptive_radius=3 + 3 * BLOCKS,  # one pixel for each 3x3 convolution in the chain
        size_multiple=1,
        source="https://arxiv.org/abs/2311.12770",
        licence="written from the paper's description; no weights of others are used",
    )
