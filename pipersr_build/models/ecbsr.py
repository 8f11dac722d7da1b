"""ECBSR: a chain of edge-oriented convolution blocks, each one 3x3 convolution when deployed.

    block -> activation -> m x [block -> activation] -> block -> + the picture -> PixelShuffle(scale)

Zhang, Zeng and Zhang 2021, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile
Devices" (MxCy: m blocks of c channels). A block is the sum of a 3x3 convolution, an expanding 1x1 and 3x3,
and the edges of 1x1 convolutions by Sobel's and Laplace's filters: `models.branches`, kind `ecb`. There
the branches have no biases of their own, the sum has one: the same functions from fewer numbers.

The paper's networks take luma (`colours=1`); for RGB each colour is added to its own sub-pixels, by a fixed
1x1 convolution. The last block starts at zero, so that a new network is the nearest-neighbour upscaler.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from pipersr_build.models.branches import RepConv2d, assign
from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import nearest_kernel
from pipersr_build.models.pipersr import ACTIVATIONS
from pipersr_build.models.plain import check_between, check_colours, check_scale


@dataclass
class ECBSRConfig:
    """What a variant may change."""

    family: str = "ecbsr"
    blocks: int = 4
    channels: int = 16
    scale: int = 2
    colours: int = 3  # of the picture: 3 for RGB, 1 for luma as in the paper
    activation: str = "prelu"  # prelu, relu, silu, gelu
    identity: bool = False  # whether blocks also add their input times a gain; the published ones do not

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_colours(self.colours)
        check_between("blocks", self.blocks, 1, 64)
        check_between("channels", self.channels, 1, 512)
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"model.activation is {self.activation!r}; choose from {', '.join(ACTIVATIONS)}")


def _block(inputs: int, outputs: int, config: ECBSRConfig) -> RepConv2d:
    made = RepConv2d(inputs, outputs, "ecb")
    if not config.identity and "identity" in made.beside:
        del made.beside["identity"]
    return made


class ECBSR(nn.Module):
    """The network; B, C, H, W in [0, 1] to B, C, scale H, scale W, with C = `colours`; not clipped."""

    anchor: Tensor

    def __init__(self, config: ECBSRConfig) -> None:
        super().__init__()
        self.config = config
        c, colours, out = config.channels, config.colours, config.colours * config.scale**2
        layers: list[nn.Module] = []
        for inputs in (colours, *[c] * config.blocks):
            layers += [_block(inputs, c, config), ACTIVATIONS[config.activation](c)]
        last = _block(c, out, config)
        assign(last, torch.zeros(out, c, 3, 3), torch.zeros(out))
        self.backbone = nn.Sequential(*layers, last)
        self.register_buffer("anchor", nearest_kernel(colours, config.scale), persistent=False)
        self.upsample = nn.PixelShuffle(config.scale)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, C, H, W to B, C, scale H, scale W."""
        luma = self.config.colours == 1  # which broadcasts
        anchor = lr if luma else conv2d(lr, self.anchor)
        sr: Tensor = self.upsample(self.backbone(lr) + anchor)
        return sr


def facts(config: ECBSRConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"ECBSR-M{config.blocks}C{config.channels} {config.scale}x"
        + ("" if config.colours == 3 else ", luma"),
        scale=config.scale,
        receptive_radius=2 + config.blocks,  # one pixel for each 3x3 convolution
        size_multiple=1,
        source="https://doi.org/10.1145/3474085.3475291",
        channels=config.colours,
        licence="written from the paper's description; no weights of others are used",
    )
