"""ParagonSR2: realtime, stream, photo and pro.

    base(x) + g · conv 3x3( PixelShuffle( conv 3x3( conv 3x3( blocks( conv 3x3(x) )))))

All convolutions have a bias and zero padding; g is one trained number. Every block is x + gain · branch(x),
one after the other for each of its branches, with gains per channel that begin at 1e-5:

    nano    1x1, depthwise 3x3, GELU, 1x1
    stream  depthwise 3x3 near and far, 1x1, 1x1, depthwise 3x3, product of the halves, 1x1
    photo   nano's with an RMS norm; attention in windows, under the same gain
    pro     nano's with an RMS norm; a gate per channel; attention in windows; attention to learned tokens

    realtime: 3 nano, 16 channels      photo: 4 groups of 4 photo, 64 channels
    stream:   2 groups of 3, 32        pro:   6 groups of 6, 64

Without the window attention, the rest as it is, photo and pro are easier to run ("export-safe"). A group is
a sequence, no more. The numbers of parameters that are published for the variants are those of 4x; 72 of
them are the published base path's and fixed. See `base` for its three forms.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.paragonsr2.attention import HEADS, TokenAttention, WindowAttention
from pipersr_build.models.paragonsr2.base import PhaseBase, PublishedBase, blur_phases, magic_phases
from pipersr_build.models.paragonsr2.branches import DILATION, REDUCTION, Bottleneck, ChannelGate, GatedPair
from pipersr_build.models.paragonsr2.parts import GainedConvolution, ResidualBlock
from pipersr_build.models.plain import check_between, check_scale


@dataclass
class ParagonSR2Config:
    """What a variant may change; as it is, realtime at 2x."""

    family: str = "paragonsr2"
    block: str = "nano"  # nano, stream, photo, pro
    channels: int = 16
    groups: int = 1
    blocks: int = 3  # in each group
    scale: int = 2
    gain: float = 0.05  # first value of the number that the detail is multiplied by
    window: int = 16  # pixels of a window's edge
    window_attention: bool = True  # False: the export-safe form of photo and pro
    base: str = "exact"  # exact, published, magic_kernel_sharp
    alpha: float = 0.3  # of base=published: share of the low-pass, which blurs

    def __post_init__(self) -> None:
        """Refuse values that name no network.

        Raises:
            ValueError: naming the key, its value and what is allowed.
        """
        for key, table in (("block", BLOCKS), ("base", BASES)):
            if getattr(self, key) not in table:
                raise ValueError(f"model.{key} is {getattr(self, key)!r}; choose from {', '.join(table)}")
        check_scale(self.scale)
        for key, least, most in (("channels", 3, 512), ("groups", 1, 64), ("blocks", 1, 64)):
            check_between(key, getattr(self, key), least, most)
        check_between("gain", self.gain, 0, 10)
        check_between("alpha", self.alpha, 0, 1)
        multiple = {"photo": HEADS, "pro": REDUCTION}.get(self.block, 1)
        if self.channels % multiple:
            raise ValueError(f"model.channels is {self.channels}; it must be a multiple of {multiple}")
        if not 2 <= self.window <= 64 or self.window % 2:
            raise ValueError(f"model.window is {self.window}; it must be an even number from 2 to 64")


def _nano(config: ParagonSR2Config, shift: int) -> ResidualBlock:  # noqa: ARG001
    return ResidualBlock(config.channels, Bottleneck(config.channels, norm=False))


def _stream(config: ParagonSR2Config, shift: int) -> ResidualBlock:  # noqa: ARG001
    return ResidualBlock(config.channels, GatedPair(config.channels))


def _windows(config: ParagonSR2Config, shift: int) -> list[WindowAttention]:
    """The window attention, or nothing in the export-safe form."""
    wanted = config.window_attention
    return [WindowAttention(config.channels, config.window, shift)] if wanted else []


def _photo(config: ParagonSR2Config, shift: int) -> ResidualBlock:
    c = config.channels
    return ResidualBlock(c, Bottleneck(c, norm=True), *_windows(config, shift), shared=True)


def _pro(config: ParagonSR2Config, shift: int) -> ResidualBlock:
    c, windows = config.channels, _windows(config, shift)
    return ResidualBlock(c, Bottleneck(c, norm=True), ChannelGate(c), *windows, TokenAttention(c))


BLOCKS: dict[str, Callable[[ParagonSR2Config, int], ResidualBlock]] = {
    "nano": _nano,
    "stream": _stream,
    "photo": _photo,
    "pro": _pro,
}
NAMES = {"nano": "Realtime", "stream": "Stream", "photo": "Photo", "pro": "Pro"}
BASES: dict[str, Callable[[ParagonSR2Config], nn.Module]] = {
    "exact": lambda config: PhaseBase(blur_phases(config.scale)),
    "published": lambda config: PublishedBase(config.scale, config.alpha),
    "magic_kernel_sharp": lambda config: PhaseBase(magic_phases(config.scale)),
}


class ParagonSR2(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped.

    Attributes:
        fixed_size: a trace of it serves one size alone.
    """

    def __init__(self, config: ParagonSR2Config) -> None:
        super().__init__()
        self.config = config
        self.fixed_size = _has_windows(config)
        c = config.channels
        self.base = BASES[config.base](config)
        self.head = nn.Conv2d(3, c, 3, padding=1)
        shifts = (index % 2 * (config.window // 2) for index in range(config.groups * config.blocks))
        self.body = nn.Sequential(*(BLOCKS[config.block](config, shift) for shift in shifts))
        self.middle = nn.Conv2d(c, c, 3, padding=1)
        self.up = nn.Conv2d(c, c * config.scale**2, 3, padding=1)
        self.upsample = nn.PixelShuffle(config.scale)
        self.tail = GainedConvolution(c, 3, config.gain)

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        return self.upscale(lr, self.head(lr))

    def upscale(self, lr: Tensor, features: Tensor) -> Tensor:
        """Upscale a frame whose first features, B, C, H, W, are known."""
        detail = self.upsample(self.up(self.middle(self.body(features))))  # B, C, scale H, scale W
        sr: Tensor = self.base(lr) + self.tail(detail)
        return sr


def _has_windows(config: ParagonSR2Config) -> bool:
    return config.window_attention and config.block in ("photo", "pro")


def _radius(config: ParagonSR2Config) -> int | None:
    """One pixel for each 3x3 convolution in the chain, or the dilation's three; no base reaches as far."""
    if _has_windows(config) or config.block == "pro":
        return None
    each = 1 + DILATION if config.block == "stream" else 1
    return 4 + each * config.groups * config.blocks


def facts(config: ParagonSR2Config) -> Facts:
    """What other rooms need to know about a variant."""
    safe = config.block in ("photo", "pro") and not config.window_attention
    shape = f"{config.groups * config.blocks} blocks, {config.channels} channels"
    shape += ", without window attention" if safe else ""
    return Facts(
        title=f"ParagonSR2 {NAMES[config.block]} {config.scale}x, {shape}",
        scale=config.scale,
        receptive_radius=_radius(config),
        size_multiple=1,
        source="https://github.com/Phhofm/ParagonSR2",
        licence="written from a description; no code or weights of others are used",
    )
