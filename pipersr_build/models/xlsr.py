"""XLSR: grouped convolutions, a shallow side path, and a clipped output.

    main: conv 3x3 3 -> 32, ReLU -> conv 1x1 -> 3 x [conv 3x3 in 4 groups, ReLU, conv 1x1]
    side: conv 3x3 3 -> 16
    main and side, concatenated -> conv 1x1 48 -> 32, ReLU -> conv 3x3 32 -> 3 s^2 -> PixelShuffle(s) -> ReLU1

Ayazoglu, "Extremely lightweight quantization robust real-time single-image super resolution for mobile
devices", CVPR workshops 2021.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.plain import check_between, check_scale

MAIN, SIDE, GROUPS = 32, 16, 4  # channels of the two paths, groups of the grouped convolutions


@dataclass
class XLSRConfig:
    """What a variant of the network may change."""

    family: str = "xlsr"
    blocks: int = 3
    scale: int = 2

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 256)


def _block() -> nn.Sequential:
    grouped = nn.Conv2d(MAIN, MAIN, 3, padding=1, groups=GROUPS)
    return nn.Sequential(grouped, nn.ReLU(), nn.Conv2d(MAIN, MAIN, 1))


class XLSR(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W."""

    def __init__(self, config: XLSRConfig) -> None:
        super().__init__()
        self.config = config
        self.main = nn.Sequential(
            nn.Conv2d(3, MAIN, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(MAIN, MAIN, 1),
            *(_block() for _ in range(config.blocks)),
        )
        self.side = nn.Conv2d(3, SIDE, 3, padding=1)
        self.merge = nn.Sequential(nn.Conv2d(MAIN + SIDE, MAIN, 1), nn.ReLU())
        self.tail = nn.Conv2d(MAIN, 3 * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        self.clip = nn.Hardtanh(0.0, 1.0)  # Core ML's converter wants the bounds as floats

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        features = self.merge(torch.cat([self.main(lr), self.side(lr)], dim=1))
        sr: Tensor = self.clip(self.upsample(self.tail(features)))
        return sr


def facts(config: XLSRConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"XLSR {config.scale}x, {config.blocks} blocks",
        scale=config.scale,
        receptive_radius=2 + config.blocks,  # one pixel for each 3x3 convolution in the chain
        size_multiple=1,
        source="https://arxiv.org/abs/2105.10288",
        licence="written from the paper's description; no weights of others are used",
        clipped=True,
    )
