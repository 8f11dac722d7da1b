"""QuickSRNet: plain 3x3 convolutions with ReLU1 that begin as an upscaler by repetition.

    conv 3x3 3 -> f, ReLU1 -> blocks of [conv 3x3 f -> f, ReLU1] -> conv 3x3 f -> 3 s^2 [+ anchor], ReLU1
    -> PixelShuffle(s)

At 1.5x the features are first cut into their four phases, PixelUnshuffle(2); a 1x1 convolution then makes
the 3x3 output pixels of every 2x2 input pixels, and PixelShuffle(3) puts them in place: H and W are even.

Identity initialisation adds 1 to the taps that pass a channel on, on top of the framework's random start.
With the random part at zero every size is exactly the nearest-neighbour upscaler. Two things differ from
what was published because that would not hold with them: the source of an output channel is rounded down
(the paper's eq. 3 rounds to nearest), and at 1.5x it is the source's phase (the released code counts as if
there were no phases).

Berger et al., "QuickSRNet: Plain single-image super-resolution architecture for faster inference on mobile
platforms", CVPR workshops 2023. Small is 32 channels and 2 blocks, medium 32 and 5, large 64 and 11.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from pipersr_build.models.facts import Facts

SCALES = (1.5, 2, 3, 4)
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu1": lambda: nn.Hardtanh(0.0, 1.0),  # Core ML's converter wants the bounds as floats
    "relu": nn.ReLU,
}


@dataclass
class QuickSRNetConfig:
    """What a variant of the network may change."""

    family: str = "quicksrnet"
    channels: int = 32
    blocks: int = 5
    scale: float = 2.0  # 1.5, 2, 3, 4
    anchor: bool = False  # input-to-output: a trained convolution of the input is added before the last ReLU1
    activation: str = "relu1"  # relu1, relu: after every convolution
    identity: bool = True  # begin with channels passed on
    random: float = 1.0  # size of the random part of the start, as a share of the framework's

    def __post_init__(self) -> None:
        """Refuse values that name no network.

        Raises:
            ValueError: naming the key, its value and what is allowed.
        """
        if not 0 <= self.blocks <= 256:
            raise ValueError(f"model.blocks is {self.blocks}; it must lie between 0 and 256")
        if not 3 <= self.channels <= 1024:  # three pass red, green and blue through
            raise ValueError(f"model.channels is {self.channels}; it must lie between 3 and 1024")
        if self.scale not in SCALES:
            raise ValueError(f"model.scale is {self.scale}; it must be 1.5, 2, 3 or 4")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"model.activation is {self.activation!r}; choose from {', '.join(ACTIVATIONS)}")
        if not 0 <= self.random <= 1:
            raise ValueError(f"model.random is {self.random}; it must lie between 0 and 1")
        if float(self.scale).is_integer():
            self.scale = int(self.scale)


class QuickSRNet(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W.

    With ReLU1 the output lies in [0, 1] by itself. At 1.5x, H and W must be even.
    """

    def __init__(self, config: QuickSRNetConfig) -> None:
        super().__init__()
        self.config = config
        self.phases, self.factor = (2, 3) if config.scale == 1.5 else (1, int(config.scale))
        width, outputs = config.channels, 3 * self.factor**2
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*(nn.Conv2d(width, width, 3, padding=1) for _ in range(config.blocks)))
        self.unshuffle = nn.PixelUnshuffle(self.phases) if self.phases > 1 else nn.Identity()
        self.tail = _tail(width * self.phases**2, outputs, self.phases)
        self.anchor = _anchor(outputs, self.phases) if config.anchor else None
        self.activation = ACTIVATIONS[config.activation]()
        self.upsample = nn.PixelShuffle(self.factor)
        _start(self)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        x = self.activation(self.head(lr))  # B, f, H, W
        for convolution in self.body:
            x = self.activation(convolution(x))
        x = self.tail(self.unshuffle(x))  # B, 3 s^2, H, W; at 1.5x B, 27, H/2, W/2
        if self.anchor is not None:
            x = x + self.anchor(lr)
        sr: Tensor = self.upsample(self.activation(x))
        return sr


def _tail(inputs: int, outputs: int, phases: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1) if phases == 1 else nn.Conv2d(inputs, outputs, 1)


def _anchor(outputs: int, phases: int) -> nn.Conv2d:
    """A 1x1 convolution: repeating by `tile` is no convolution to the Neural Engine. At 1.5x it strides."""
    return nn.Conv2d(3, outputs, 1) if phases == 1 else nn.Conv2d(3, outputs, 3, stride=2, padding=1)


@torch.no_grad()
def _start(network: QuickSRNet) -> None:
    """Shrink the random start to its configured size, then pass channels on; an anchor is not random."""
    config, head, tail, anchor = network.config, network.head, network.tail, network.anchor
    for parameter in network.parameters():
        parameter.mul_(config.random)
    if anchor is not None:
        nn.init.zeros_(anchor.weight)
        nn.init.zeros_(anchor.bias)  # type: ignore[arg-type]
        _repeat_into(anchor.weight, network.phases, network.factor, from_picture=True)
    if not config.identity:
        return
    for convolution in (head, *network.body):
        assert isinstance(convolution, nn.Conv2d)
        passed = range(min(convolution.in_channels, convolution.out_channels))
        convolution.weight[passed, passed, 1, 1] += 1
    if anchor is None:  # which repeats already
        _repeat_into(tail.weight, network.phases, network.factor, from_picture=False)


def _repeat_into(weight: Tensor, phases: int, factor: int, *, from_picture: bool) -> None:
    """Add 1 to the tap of every output's source: row `phases r / factor`, rounded down, columns alike.

    Args:
        weight: of outputs 3 factor^2; its inputs are the picture or features whose first three are it.
        phases: how many input pixels along an edge make the `factor` output pixels.
        factor: of the PixelShuffle that follows.
        from_picture: the inputs are not cut into phases: what lies beside the middle is another tap.
    """
    middle = weight.shape[-1] // 2
    for colour, row, column in product(range(3), range(factor), range(factor)):
        output = (colour * factor + row) * factor + column
        down, right = phases * row // factor, phases * column // factor
        if from_picture:
            weight[output, colour, middle + down, middle + right] += 1
        else:
            weight[output, (colour * phases + down) * phases + right, middle, middle] += 1


def facts(config: QuickSRNetConfig) -> Facts:
    """What other rooms need to know about a variant."""
    anchor = ", anchor" if config.anchor else ""
    return Facts(
        title=f"QuickSRNet {config.scale:g}x, {config.blocks} blocks, {config.channels} channels{anchor}",
        scale=config.scale,
        # one pixel for each 3x3 convolution; at 1.5x the last one reaches the other phase instead
        receptive_radius=2 + config.blocks,
        size_multiple=2 if config.scale == 1.5 else 1,
        source="https://arxiv.org/abs/2303.04336",
        licence="written from the paper's description; no weights of others are used",
        clipped=config.activation == "relu1",
    )
