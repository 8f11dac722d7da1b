"""What ParagonSR2's blocks are made of, and how gains and norms go into the convolutions beside them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pipersr_build.models.collapsible import Collapsible
from pipersr_build.models.kernels import convolution

EPSILON = 1e-6  # of the norm
FIRST_GAIN = 1e-5  # of a branch: a new block passes its input on, almost


def at_least_float32(x: Tensor) -> Tensor:
    """x, under autocast in float32; a network that is itself of lower precision computes in its own type."""
    if not torch.is_autocast_enabled(x.device.type):
        return x
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Normalise(nn.Module):
    """Divide each pixel's channels by their root mean square, whose squares are at least float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        return x * inverse_rms(x)


def inverse_rms(x: Tensor) -> Tensor:
    """One over the root mean square of each pixel's channels: B, C, H, W to B, 1, H, W."""
    return torch.rsqrt(at_least_float32(x).square().mean(1, keepdim=True) + EPSILON)


class RMSNorm(nn.Module):
    """`Normalise`, then a gain and an offset for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        # gain first: next to each other, gain and offset would become a batch norm in the package
        return x * self.weight[:, None, None] * inverse_rms(x) + self.bias[:, None, None]


def scaled(point: nn.Conv2d, gain: Tensor) -> nn.Conv2d:
    """The convolution (ungrouped, with bias) whose outputs are `gain` (out, or one number) times as large."""
    assert point.bias is not None
    per_output = gain.expand(len(point.bias))
    return convolution(point.weight * per_output[:, None, None, None], point.bias * per_output)


def after_norm(norm: RMSNorm, point: nn.Conv2d) -> nn.Conv2d:
    """The 1x1 convolution that after `Normalise` is what `point` is after `norm`.

    Not for larger kernels: at the border they see zeros in place of the norm's offset.
    """
    assert point.bias is not None
    weight = point.weight * norm.weight[:, None, None]
    return convolution(weight, point.bias + point.weight[:, :, 0, 0] @ norm.bias)


class Branch(nn.Module, ABC):
    """What a block adds to its input, after a gain for each channel: B, C, H, W to the same shape."""

    @abstractmethod
    def deployed(self, gain: Tensor) -> nn.Module:
        """The branch times `gain` (C), in as few operations as possible; a copy."""


class ResidualBlock(Collapsible):
    """x + gain · branch(x), for one branch after the other.

    Args:
        channels: C.
        branches: what is added.
        shared: all branches have one gain in common.
    """

    def __init__(self, channels: int, *branches: Branch, shared: bool = False) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        count = 1 if shared else len(branches)
        self.gains = nn.ParameterList(torch.full((channels,), FIRST_GAIN) for _ in range(count))

    def _gain(self, index: int) -> Tensor:
        gain: Tensor = self.gains[min(index, len(self.gains) - 1)]
        return gain

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        for index, branch in enumerate(self.branches):
            x = x + self._gain(index)[:, None, None] * branch(x)
        return x

    def collapse(self) -> nn.Module:
        """The same with the gains inside the branches."""
        deployed = []
        for index, branch in enumerate(self.branches):
            assert isinstance(branch, Branch)
            deployed.append(Residual(branch.deployed(self._gain(index).detach())))
        return nn.Sequential(*deployed).train(self.training)


class Residual(nn.Module):
    """x + branch(x), shape kept: B, C, H, W."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        out: Tensor = x + self.branch(x)
        return out


class GainedConvolution(Collapsible):
    """A 3x3 convolution with zero padding, times one trained number.

    Args:
        inputs: channels in.
        outputs: channels out.
        gain: the number's first value.
    """

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x: Tensor) -> Tensor:
        """B, inputs, H, W to B, outputs, H, W."""
        out: Tensor = self.gain * self.convolution(x)
        return out

    def collapse(self) -> nn.Module:
        """The convolution with the number in its weights."""
        return scaled(self.convolution, self.gain.detach()).train(self.training)
