"""PiperSR: six residual blocks at low resolution and one PixelShuffle.

    head conv 3x3 -> blocks of [conv, BN, activation, conv, BN, + block input]
                  -> + head output (the long skip) -> tail conv 3x3 -> PixelShuffle(scale)

All convolutions have a bias and zero padding; there is no activation after head, additions or tail.
With 6 blocks, 64 channels and scale 2 it has 453,388 parameters (451,852 once its batch norms are
folded), the counts of ModelPiper/PiperSR's published network. With `branches` each 3x3 convolution is
trained as a sum of branches (see `models.branches`), which collapses into the same network.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipersr_build.models.branches import BESIDE, Convolution, expand
from pipersr_build.models.facts import Facts


@dataclass
class PiperSRConfig:
    """What a variant of the network may change."""

    family: str = "pipersr"
    blocks: int = 6
    channels: int = 64
    scale: int = 2
    activation: str = "silu"  # silu, relu, prelu, gelu
    norm: str = "batch"  # batch, none
    branches: str = "plain"  # plain, repvgg, ecb: what a 3x3 convolution consists of in training

    def __post_init__(self) -> None:
        """Refuse values that name no network.

        Raises:
            ValueError: naming the key, its value and what is allowed.
        """
        if not 1 <= self.blocks <= 256:
            raise ValueError(f"model.blocks is {self.blocks}; it must lie between 1 and 256")
        if not 3 <= self.channels <= 1024:  # three pass red, green and blue through
            raise ValueError(f"model.channels is {self.channels}; it must lie between 3 and 1024")
        if self.scale not in (2, 3, 4):
            raise ValueError(f"model.scale is {self.scale}; it must be 2, 3 or 4")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"model.activation is {self.activation!r}; choose from {', '.join(ACTIVATIONS)}")
        if self.norm not in ("batch", "none"):
            raise ValueError(f"model.norm is {self.norm!r}; choose from batch, none")
        if self.branches not in BESIDE:
            raise ValueError(f"model.branches is {self.branches!r}; choose from {', '.join(BESIDE)}")


ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "silu": lambda channels: nn.SiLU(),  # noqa: ARG005
    "relu": lambda channels: nn.ReLU(),  # noqa: ARG005
    "prelu": lambda channels: nn.PReLU(channels),
    "gelu": lambda channels: nn.GELU(),  # noqa: ARG005
}


def _norm(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


class ResidualBlock(nn.Module):
    """x + norm(conv(activation(norm(conv(x))))), shape kept: B, C, H, W."""

    def __init__(self, config: PiperSRConfig) -> None:
        super().__init__()
        c = config.channels
        self.conv1: Convolution = nn.Conv2d(c, c, 3, padding=1)
        self.norm1 = _norm(config.norm, c)
        self.activation = ACTIVATIONS[config.activation](c)
        self.conv2: Convolution = nn.Conv2d(c, c, 3, padding=1)
        self.norm2 = _norm(config.norm, c)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        residual: Tensor = self.norm2(self.conv2(self.activation(self.norm1(self.conv1(x)))))
        return x + residual


class PiperSR(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W.

    The output is not clipped. A new network is exactly the nearest-neighbour upscaler (up to rounding
    where its convolutions have branches); after the same seed it is the same function for all branches.
    """

    def __init__(self, config: PiperSRConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(3, config.channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(config) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.channels, 3 * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        _start_as_nearest_neighbour(self)
        expand(self, config.branches)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        features = self.head(lr)  # B, C, H, W
        deep = self.body(features) + features  # B, C, H, W
        sr: Tensor = self.upsample(self.tail(deep))
        return sr


@torch.no_grad()
def _start_as_nearest_neighbour(network: PiperSR) -> None:
    """Set the weights so that the first output repeats each pixel scale x scale times.

    The head passes red, green and blue through its first three channels; every block adds zero
    (its last norm's gain, or its last convolution, is zero), so the long skip doubles the head's
    output; the tail takes half of it into the sub-pixels. The other channels keep their random
    start and are open to the gradient from the second step on.
    """
    head, tail, scale = network.head, network.tail, network.config.scale
    head.weight[:3] = 0
    head.bias[:3] = 0  # type: ignore[index]
    head.weight[range(3), range(3), 1, 1] = 1
    for block in network.body:
        assert isinstance(block, ResidualBlock)
        last = block.norm2 if isinstance(block.norm2, nn.BatchNorm2d) else block.conv2
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    tail.weight.zero_()
    tail.bias.zero_()  # type: ignore[union-attr]
    for output in range(3 * scale**2):
        tail.weight[output, output // scale**2, 1, 1] = 0.5


def facts(config: PiperSRConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"PiperSR {config.scale}x, {config.blocks} blocks, {config.channels} channels",
        scale=config.scale,
        receptive_radius=2 + 2 * config.blocks,  # one pixel for each 3x3 convolution in the chain
        size_multiple=1,
        source="https://github.com/ModelPiper/PiperSR",
        licence="written from a description; no code or weights of others are used",
    )
