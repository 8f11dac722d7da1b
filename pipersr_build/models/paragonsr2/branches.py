"""The convolutional branches of ParagonSR2's blocks: inverted bottleneck, gated pair, channel gate."""

import copy

import torch
from torch import Tensor, nn

from pipersr_build.models.paragonsr2.parts import (
    Branch,
    Normalise,
    RMSNorm,
    after_norm,
    at_least_float32,
    scaled,
)

EXPANSION = 2
DILATION = 3
REDUCTION = 16  # of channels inside the channel gate
LARGEST = 65504.0  # of fp16


def depthwise(channels: int, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution of every channel by itself, zero padding."""
    kind = nn.Conv2d if dilation == 1 else DilatedDepthwise
    return kind(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels)


class DilatedDepthwise(nn.Conv2d):
    """Computes in its parameters' type, whatever autocast asks for.

    In bf16 with channels_last on a CPU, torch 2.13 returns a wrong gradient of such a kernel, up to infinity.
    """

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W to the same shape."""
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = super().forward(x.to(self.weight.dtype))
            return out


class Bottleneck(Branch):
    """[norm,] 1x1 to twice the channels, depthwise 3x3, GELU, 1x1 back."""

    def __init__(self, channels: int, *, norm: bool) -> None:
        super().__init__()
        wide = EXPANSION * channels
        self.norm: nn.Module = RMSNorm(channels) if norm else nn.Identity()
        self.widen = nn.Conv2d(channels, wide, 1)
        self.spatial = depthwise(wide)
        self.activation = nn.GELU()
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        out: Tensor = self.project(self.activation(self.spatial(self.widen(self.norm(x)))))
        return out

    def deployed(self, gain: Tensor) -> nn.Module:
        """The norm's gain and offset go into the first convolution, the block's gain into the last."""
        plain = copy.deepcopy(self)
        if isinstance(self.norm, RMSNorm):
            plain.norm, plain.widen = Normalise(), after_norm(self.norm, self.widen)
        plain.project = scaled(self.project, gain)
        return plain


class Gate(nn.Module):
    """The product of the first and the second half of the channels, B, 2C, H, W to B, C, H, W.

    In training it is taken in float32 and cut off at fp16's largest number. In a package it is an fp16
    multiplication and an fp16 clip, without casts, and the same to the last bit: a product of two fp16
    numbers is exact in float32, so both round it once; where fp16 overflows, from 65520 on, the clip puts
    65504 for infinity.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        a, b = at_least_float32(x).chunk(2, dim=1)
        with torch.autocast(x.device.type, enabled=False):
            return (a * b).clamp(-LARGEST, LARGEST)


class GatedPair(Branch):
    """Near and far depthwise 3x3 side by side, 1x1, 1x1 to four times as many, depthwise 3x3, gate, 1x1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = EXPANSION * channels
        self.near, self.far = depthwise(channels), depthwise(channels, DILATION)
        self.merge = nn.Conv2d(2 * channels, channels, 1)
        self.widen = nn.Conv2d(channels, 2 * wide, 1)
        self.spatial = depthwise(2 * wide)
        self.gate = Gate()
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        merged = self.merge(torch.cat([self.near(x), self.far(x)], dim=1))
        out: Tensor = self.project(self.gate(self.spatial(self.widen(merged))))
        return out

    def deployed(self, gain: Tensor) -> nn.Module:
        """The dilated kernel is written out, the gain goes into the last convolution."""
        plain = copy.deepcopy(self)
        plain.far, plain.project = undilated(self.far), scaled(self.project, gain)
        return plain


@torch.no_grad()
def undilated(far: nn.Conv2d) -> nn.Conv2d:
    """The dilated depthwise convolution as a larger one with zeros between its taps.

    What the Neural Engine does with a dilation of 3 nobody has measured; depthwise 7x7 runs.
    """
    step, channels = far.dilation[0], far.out_channels
    size = 2 * step + 1
    kernel = far.weight.new_zeros(channels, 1, size, size)
    kernel[:, :, ::step, ::step] = far.weight
    plain = nn.Conv2d(channels, channels, size, padding=step, groups=channels, device="meta")
    plain.weight = nn.Parameter(kernel)
    assert far.bias is not None
    plain.bias = nn.Parameter(far.bias.clone())
    return plain.train(far.training)


class ChannelGate(Branch):
    """x times a gate per channel that is made of all channels' means (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // REDUCTION, 1, bias=False)
        self.activation = nn.GELU()
        self.excite = nn.Conv2d(channels // REDUCTION, channels, 1, bias=False)
        self.gain: nn.Parameter | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        mean = x.mean((2, 3), keepdim=True)  # B, C, 1, 1
        gate = torch.sigmoid(self.excite(self.activation(self.squeeze(mean))))
        return x * (gate if self.gain is None else gate * self.gain)

    def deployed(self, gain: Tensor) -> nn.Module:
        """The block's gain multiplies the gate, which has no height and width."""
        plain = copy.deepcopy(self)
        plain.gain = nn.Parameter(gain[:, None, None].clone())
        return plain
