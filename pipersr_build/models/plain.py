"""What the plain baselines share: checks of their settings, and the start of the first of them."""

import math

from torch import nn

SCALES = (2, 3, 4)
LAST_STD = 1e-3  # of the last layer's first weights in ESPCN and FSRCNN: the first output is almost 0


def check_scale(scale: int) -> None:
    """Raise ValueError for a scale that has no PixelShuffle tail here."""
    if scale not in SCALES:
        raise ValueError(f"model.scale is {scale}; it must be 2, 3 or 4")


def check_colours(colours: int) -> None:
    """Raise ValueError for what is neither RGB nor luma."""
    if colours not in (1, 3):
        raise ValueError(f"model.colours is {colours}; it must be 3 (RGB) or 1 (luma)")


def check_between(key: str, value: float, least: float, most: float) -> None:
    """Raise ValueError for a number outside its range."""
    if not least <= value <= most:
        raise ValueError(f"model.{key} is {value}; it must lie between {least} and {most}")


def start_normal(network: nn.Module) -> None:
    """Weights of N(0, 2 / (outputs k^2)), He et al. 2015 counted over the outputs; biases of 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(
                module.weight, std=math.sqrt(2 / (module.out_channels * module.kernel_size[0] ** 2))
            )
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
