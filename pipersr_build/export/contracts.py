"""The two input/output contracts: an 8-bit image tile and a locked video frame."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

INPUT, OUTPUT = "lr", "sr"
PREVIOUS, NEXT = "previous", "next"  # the state of a network that remembers the frame before


@dataclass(frozen=True)
class Contract:
    """What a package takes: a kind, a label, and an LR size in pixels.

    `image`: RGB, 8 bits, 0-255, in and out, for any picture by tiling.
    `video`: one Float16 tensor 1, 3, H, W in [0, 1] in, one of 1, 3, scale H, scale W out; no casts.
    With `state`, of the network's form that remembers the frame before (`models.recurrent`): also the state,
    Float16 1, state channels, H, W, in and out. What came out with one frame goes in with the next. Zeros say
    that there is no frame before.
    """

    kind: Literal["image", "video"]
    label: str
    height: int
    width: int
    state: bool = False

    @property
    def name(self) -> str:
        """The package's name without its suffix: `image_128`, `video_360p`, `video_360p_state`."""
        return f"{self.kind}_{self.label}"


class ImageNetwork(nn.Module):
    """The network between 8-bit images: 1, 3, H, W in 0-255 to 1, 3, scale H, scale W in 0-255.

    Division and multiplication are in the graph, not in ImageType's scale and bias, which Core ML may
    run in float32 on the CPU. Values stay in [0, 1] up to the last operation, as fp16 likes them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale and clamp to 0-255; rounding to 8 bits is Core ML's."""
        sr: Tensor = self.network(lr * (1 / 255))
        return sr.clamp(0.0, 1.0) * 255
