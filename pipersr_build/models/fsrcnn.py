"""FSRCNN: shrink, map, expand, and one transposed convolution to the large size.

    conv 5x5 c -> d -> conv 1x1 d -> s -> m x [conv 3x3 s -> s] -> conv 1x1 s -> d, each with PReLU
    -> transposed conv 9x9 d -> c, stride of the scale

Dong et al., "Accelerating the super-resolution convolutional neural network", ECCV 2016, with d=56, s=12,
m=4; on luma there (`colours=1`), on RGB by default here. The last layer works at the large size.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.plain import LAST_STD, check_between, check_colours, check_scale, start_normal

LAST_RADIUS = 4  # of the transposed convolution, in HR pixels


@dataclass
class FSRCNNConfig:
    """What a variant of the network may change."""

    family: str = "fsrcnn"
    channels: int = 56  # d
    shrunk: int = 12  # s
    blocks: int = 4  # m
    scale: int = 2
    colours: int = 3  # 3: RGB; 1: luma

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_colours(self.colours)
        check_between("channels", self.channels, 1, 1024)
        check_between("shrunk", self.shrunk, 1, 1024)
        check_between("blocks", self.blocks, 1, 256)


def _layer(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.PReLU(outputs))


class FSRCNN(nn.Module):
    """The network; takes and returns C channels in [0, 1]: B, C, H, W -> B, C, scale H, scale W."""

    def __init__(self, config: FSRCNNConfig) -> None:
        super().__init__()
        self.config = config
        colours, wide, thin, scale = config.colours, config.channels, config.shrunk, config.scale
        self.body = nn.Sequential(
            _layer(colours, wide, 5),
            _layer(wide, thin, 1),
            *(_layer(thin, thin, 3) for _ in range(config.blocks)),
            _layer(thin, wide, 1),
        )
        self.tail = nn.ConvTranspose2d(
            wide, colours, 2 * LAST_RADIUS + 1, stride=scale, padding=LAST_RADIUS, output_padding=scale - 1
        )
        start_normal(self)
        nn.init.normal_(self.tail.weight, std=LAST_STD)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, C, H, W to B, C, scale H, scale W."""
        sr: Tensor = self.tail(self.body(lr))
        return sr


def facts(config: FSRCNNConfig) -> Facts:
    """What other rooms need to know about a variant."""
    # the last output pixel of an LR pixel looks LAST_RADIUS HR pixels further
    last = (config.scale - 1 + LAST_RADIUS) // config.scale
    return Facts(
        title=f"FSRCNN {config.scale}x, d={config.channels}, s={config.shrunk}, m={config.blocks}",
        scale=config.scale,
        receptive_radius=2 + config.blocks + last,
        size_multiple=1,
        source="https://arxiv.org/abs/1608.00367",
        channels=config.colours,
        licence="written from the paper's description; no weights of others are used",
    )
