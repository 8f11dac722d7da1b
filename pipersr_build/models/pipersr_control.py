"""PiperSR with one thing changed that the Neural Engine does badly: negative controls, small and real.

    channel_attention  every block's residual is scaled per channel by what its global mean says
                       (squeeze and excitation, Hu et al. 2018; as RCAN, Zhang et al. 2018)
    blueprint          every 3x3 convolution of the body becomes 1x1 and depthwise 3x3 (BSConv-U, Haase and
                       Amthor 2020): a seventh of the parameters, twice the passes over memory
    rms_norm           every batch norm becomes a root mean square norm per pixel over the channels (Zhang and
                       Sennrich 2019), which cannot be folded
    window_attention   every block is followed by self-attention inside windows (Swin, Liu et al. 2021,
                       without shift and position bias)

All else, the start as nearest-neighbour upscaler included, is `models.pipersr`. They train, export and are
verified like it; what their placement and latency say beside PiperSR's is what they are for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipersr_build.models.facts import Facts
from pipersr_build.models.pipersr import PiperSR, PiperSRConfig
from pipersr_build.models.plain import check_between, check_scale

REDUCTION = 16  # of channels inside the channel attention
RMS_EPSILON = 1e-6


@dataclass
class PiperSRControlConfig:
    """What a control may change; `change` names the control."""

    family: str = "pipersr_control"
    change: str = "channel_attention"  # channel_attention, blueprint, rms_norm, window_attention
    blocks: int = 6
    channels: int = 64
    scale: int = 2
    window: int = 8  # pixels of a window's edge: H and W must be multiples of it with window_attention
    heads: int = 4  # of window_attention

    def __post_init__(self) -> None:
        """Refuse values that name no network.

        Raises:
            ValueError: naming the key, its value and what is allowed.
        """
        if self.change not in BLOCKS:
            raise ValueError(f"model.change is {self.change!r}; choose from {', '.join(BLOCKS)}")
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 64)
        check_between("channels", self.channels, REDUCTION, 512)
        if self.window not in (2, 4, 8, 16):
            raise ValueError(f"model.window is {self.window}; it must be 2, 4, 8 or 16")
        if self.heads < 1 or self.channels % self.heads:
            raise ValueError(f"model.heads is {self.heads}; it must divide model.channels ({self.channels})")


class ChannelAttention(nn.Module):
    """x times a gain per channel, made of all channels' means over H, W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.excite = nn.Conv2d(channels // REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        mean = x.mean((2, 3), keepdim=True)  # B, C, 1, 1
        gain = torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))
        return x * gain


class RMSNorm(nn.Module):
    """Every pixel's channels divided by their root mean square, then a gain per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        scale = torch.rsqrt(x.square().mean(1, keepdim=True) + RMS_EPSILON)  # B, 1, H, W
        normed: Tensor = x * scale * self.weight
        return normed


class WindowAttention(nn.Module):
    """Self-attention among the pixels of each window; B, C, H, W with H and W multiples of the window."""

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.scale = (channels // heads) ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        windows = self._windows(self.qkv(x))
        mixed = self._attend(windows.flatten(4).flatten(0, 2))  # N, C, pixels
        # sizes are read off a tensor and not computed: so a trace serves every size
        rows, columns = windows.shape[1], windows.shape[2]
        back = torch.unflatten(mixed, 2, (self.window, self.window))
        back = torch.unflatten(back, 0, (-1, rows, columns)).permute(0, 3, 1, 4, 2, 5)
        out: Tensor = self.project(back.flatten(4).flatten(2, 3))
        return out

    def _windows(self, x: Tensor) -> Tensor:
        """B, C, H, W to B, rows, columns, C, window, window."""
        cut = torch.unflatten(torch.unflatten(x, 3, (-1, self.window)), 2, (-1, self.window))
        return cut.permute(0, 2, 4, 1, 3, 5)

    def _attend(self, windows: Tensor) -> Tensor:
        """The heads' attention: N, 3 C, pixels to N, C, pixels."""
        q, k, v = torch.unflatten(windows, 1, (3 * self.heads, -1)).chunk(3, dim=1)  # N, heads, c, pixels
        weights = torch.softmax((q * self.scale).transpose(2, 3) @ k, dim=-1)  # N, heads, pixels, pixels
        return (v @ weights.transpose(2, 3)).flatten(1, 2)


class Block(nn.Module):
    """PiperSR's residual block with one part exchanged; shape kept: B, C, H, W."""

    def __init__(self, config: PiperSRControlConfig) -> None:
        super().__init__()
        c, change = config.channels, config.change
        convolution = _blueprint if change == "blueprint" else _plain
        norm = RMSNorm if change == "rms_norm" else nn.BatchNorm2d
        self.conv1, self.norm1 = convolution(c), norm(c)
        self.activation = nn.SiLU()
        self.conv2, self.norm2 = convolution(c), norm(c)
        self.attention = ChannelAttention(c) if change == "channel_attention" else nn.Identity()
        nn.init.zeros_(self.norm2.weight)  # so that a new block adds nothing

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        residual = self.norm2(self.conv2(self.activation(self.norm1(self.conv1(x)))))
        out: Tensor = x + self.attention(residual)
        return out


class WindowBlock(Block):
    """The block as it is, then x plus the windows' attention."""

    def __init__(self, config: PiperSRControlConfig) -> None:
        super().__init__(config)
        self.windows = WindowAttention(config.channels, config.window, config.heads)
        nn.init.zeros_(self.windows.project.weight)
        assert self.windows.project.bias is not None
        nn.init.zeros_(self.windows.project.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape."""
        x = super().forward(x)
        out: Tensor = x + self.windows(x)
        return out


BLOCKS: dict[str, type[Block]] = {
    "channel_attention": Block,
    "blueprint": Block,
    "rms_norm": Block,
    "window_attention": WindowBlock,
}


def _plain(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1)


def _blueprint(channels: int) -> nn.Module:
    """1x1 over the channels, then 3x3 over the pixels of each."""
    point = nn.Conv2d(channels, channels, 1, bias=False)
    return nn.Sequential(point, nn.Conv2d(channels, channels, 3, padding=1, groups=channels))


class PiperSRControl(nn.Module):
    """The network; takes and returns RGB in [0, 1]: B, 3, H, W -> B, 3, scale H, scale W; not clipped.

    A new network is exactly the nearest-neighbour upscaler.
    """

    def __init__(self, config: PiperSRControlConfig) -> None:
        super().__init__()
        self.config = config
        # PiperSR's own ends, with its start as nearest-neighbour upscaler
        plain = PiperSR(PiperSRConfig(blocks=1, channels=config.channels, scale=config.scale))
        self.head, self.tail, self.upsample = plain.head, plain.tail, plain.upsample
        self.body = nn.Sequential(*(BLOCKS[config.change](config) for _ in range(config.blocks)))

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W to B, 3, scale H, scale W."""
        features = self.head(lr)  # B, C, H, W
        sr: Tensor = self.upsample(self.tail(self.body(features) + features))
        return sr


def facts(config: PiperSRControlConfig) -> Facts:
    """What other rooms need to know about a variant."""
    windowed = config.change == "window_attention"
    unbounded = (
        windowed or config.change == "channel_attention"
    )  # windows move with the tile they are cut from
    return Facts(
        title=f"PiperSR {config.scale}x with {config.change.replace('_', ' ')} (negative control)",
        scale=config.scale,
        receptive_radius=None if unbounded else 2 + 2 * config.blocks,
        size_multiple=config.window if windowed else 1,
        source="https://github.com/ModelPiper/PiperSR",
        licence="written from a description; no code or weights of others are used",
    )
