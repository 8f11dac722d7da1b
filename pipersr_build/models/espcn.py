"""ESPCN: three convolutions and the first PixelShuffle.

    conv 5x5 c -> 64, tanh -> conv 3x3 64 -> 32, tanh -> conv 3x3 32 -> c s^2 -> PixelShuffle(s)

Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
neural network", CVPR 2016; on luma there (`colours=1`), on RGB by default here.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.plain import LAST_STD, check_colours, check_scale, start_normal


@dataclass
class ESPCNConfig:
    """What a variant of the network may change."""

    family: str = "espcn"
    scale: int = 2
    colours: int = 3  # 3: RGB; 1: luma

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_colours(self.colours)


class ESPCN(nn.Module):
    """The network; takes and returns C channels in [0, 1]: B, C, H, W -> B, C, scale H, scale W."""

    def __init__(self, config: ESPCNConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(config.colours, 64, 5, padding=2)
        self.body = nn.Conv2d(64, 32, 3, padding=1)
        self.tail = nn.Conv2d(32, config.colours * config.scale**2, 3, padding=1)
        self.activation, self.upsample = nn.Tanh(), nn.PixelShuffle(config.scale)
        start_normal(self)
        nn.init.normal_(self.tail.weight, std=LAST_STD)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, C, H, W to B, C, scale H, scale W."""
        features = self.activation(self.body(self.activation(self.head(lr))))
        sr: Tensor = self.upsample(self.tail(features))
        return sr


def facts(config: ESPCNConfig) -> Facts:
    """What other rooms need to know about a variant."""
    return Facts(
        title=f"ESPCN {config.scale}x",
        scale=config.scale,
        receptive_radius=2 + 1 + 1,
        size_multiple=1,
        source="https://arxiv.org/abs/1609.05158",
        channels=config.colours,
        licence="written from the paper's description; no weights of others are used",
    )
