"""Facts about a network that other rooms need, kept with the network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Facts about one variant.

    `receptive_radius` is how many LR pixels around an output pixel's source can influence it: the
    halo that makes tiled output exact. `size_multiple` is what H and W must be divisible by.
    """

    title: str
    scale: int
    receptive_radius: int
    size_multiple: int
    source: str
