"""Facts about a network that other rooms need, kept with the network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Facts about one variant.

    Attributes:
        title: what a person calls it.
        scale: how many times higher and wider the output is.
        receptive_radius: how many LR pixels around an output pixel's source can influence it: the halo
            that makes tiled output exact; None where every pixel can (global pooling, attention).
        size_multiple: what H and W must be divisible by.
        source: the page or paper that specifies it.
        channels: of input and output: 3 for RGB, 1 for luma.
        licence: a note on the licence of the original's code or weights.
        clipped: whether the network itself keeps the output in [0, 1], as the input is for all networks.
    """

    title: str
    scale: float
    receptive_radius: int | None
    size_multiple: int
    source: str
    channels: int = 3
    licence: str = ""
    clipped: bool = False

    @property
    def values(self) -> str:
        """The colours of input and output, and the range of their values, in words."""
        colours = {1: "luma", 3: "RGB"}.get(self.channels, f"{self.channels} channels")
        return f"{colours} in [0, 1], returned {'in [0, 1]' if self.clipped else 'not clipped'}"
