"""SESR: linear blocks that are wide in training and narrow when deployed, with two long skips.

    first 5x5 -> m x [3x3 with its input added, activation] -> + first's output
              -> last 5x5 -> + anchor -> PixelShuffle(scale)

Bhardwaj et al. 2022, "Collapsible Linear Blocks for Super-Efficient Super Resolution". Every convolution
is trained as a k x k one to 256 channels and a 1x1 one back; the kernel of their product, the block's own
input included, is what a forward runs, as in the paper, and what is deployed. Two forms:

- `luma`, the paper's: one channel, PReLU, no biases, 0.5 taken off the first convolution's input, nothing
  after it, the input itself as anchor, output clipped to [0, 1].
- `rgb`, that of Qualcomm's AIMET model zoo: three channels, ReLU (after the first convolution too), biases,
  and a trainable 1x1 convolution as anchor, which starts as the nearest-neighbour upscaler.

For 4x the paper shuffles twice by 2; one shuffle by 4 is the same but for the order of the last
convolution's outputs. Here the last convolution starts at zero, so that a new network is its anchor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from pipersr_build.models.collapsible import Collapsible
from pipersr_build.models.facts import Facts
from pipersr_build.models.kernels import convolution, identity_kernel, nearest_kernel
from pipersr_build.models.plain import check_between, check_scale

FORMS = ("rgb", "luma")
LUMA_CENTRE = 0.5  # the middle of the range, which the paper's first convolution sees as zero


@dataclass
class SESRConfig:
    """What a variant may change: M3, M5, M7, M11 are `blocks` of 16 channels, XL is 11 of 32."""

    family: str = "sesr"
    blocks: int = 5
    channels: int = 16
    scale: int = 2
    form: str = "rgb"  # rgb, luma: see the module
    expansion: int = 256  # channels between the two convolutions of a block in training

    def __post_init__(self) -> None:
        """Refuse values that name no network; see `models.plain`."""
        check_scale(self.scale)
        check_between("blocks", self.blocks, 1, 64)
        check_between("channels", self.channels, 1, 512)
        check_between("expansion", self.expansion, 1, 4096)
        if self.form not in FORMS:
            raise ValueError(f"model.form is {self.form!r}; choose from {', '.join(FORMS)}")

    @property
    def colours(self) -> int:
        """Channels of the picture."""
        return 3 if self.form == "rgb" else 1


class LinearBlock(Collapsible):
    """A k x k convolution to many channels and a 1x1 one back, run as their product.

    Args:
        inputs: channels in.
        outputs: channels out.
        size: k, odd.
        expansion: channels between.
        bias: whether the 1x1 convolution has a bias; the k x k one has none.
        residual: whether the input is added, inside the kernel; then `inputs` equals `outputs`.
    """

    identity: Tensor

    def __init__(
        self, inputs: int, outputs: int, size: int, expansion: int, *, bias: bool, residual: bool = False
    ) -> None:
        super().__init__()
        self.expand = nn.Parameter(nn.init.xavier_uniform_(torch.empty(expansion, inputs, size, size)))
        self.project = nn.Parameter(nn.init.xavier_uniform_(torch.empty(outputs, expansion)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        added = identity_kernel(inputs, size) if residual else torch.zeros(())
        self.register_buffer("identity", added, persistent=False)

    def kernel(self) -> Tensor:
        """The collapsed kernel (out, in, k, k), differentiable, never in lower precision by autocast."""
        with torch.autocast(self.project.device.type, enabled=False):
            product: Tensor = torch.tensordot(self.project, self.expand, dims=1)
            return product + self.identity

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with zero padding: B, in, H, W to B, out, H, W."""
        return conv2d(x, self.kernel(), self.bias, padding="same")

    def collapse(self) -> nn.Module:
        """The plain convolution with the same kernel and bias."""
        return convolution(self.kernel(), self.bias).train(self.training)


class SESR(nn.Module):
    """The network; B, C, H, W in [0, 1] to B, C, scale H, scale W, C = 3 (RGB) or 1 (luma) by its form."""

    def __init__(self, config: SESRConfig) -> None:
        super().__init__()
        self.config = config
        f, rgb, out = config.channels, config.form == "rgb", config.colours * config.scale**2
        wide, bias = config.expansion, rgb
        self.first = LinearBlock(config.colours, f, 5, wide, bias=bias)
        self.blocks = nn.ModuleList(
            LinearBlock(f, f, 3, wide, bias=bias, residual=True) for _ in range(config.blocks)
        )
        self.activations = nn.ModuleList(nn.ReLU() if rgb else nn.PReLU(f) for _ in range(config.blocks))
        self.last = LinearBlock(f, out, 5, wide, bias=bias)
        nn.init.zeros_(self.last.project)
        self.upsample = nn.PixelShuffle(config.scale)
        if rgb:
            self.anchor = convolution(nearest_kernel(3, config.scale), torch.zeros(out))

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, C, H, W to B, C, scale H, scale W."""
        rgb = self.config.form == "rgb"
        first = torch.relu(self.first(lr)) if rgb else self.first(lr - LUMA_CENTRE)  # B, f, H, W
        x = first
        for block, activation in zip(self.blocks, self.activations, strict=True):
            x = activation(block(x))
        x = self.last(x + first) + (self.anchor(lr) if rgb else lr)  # B, C scale², H, W
        sr: Tensor = self.upsample(x)
        return sr if rgb else sr.clamp(0.0, 1.0)


def facts(config: SESRConfig) -> Facts:
    """What other rooms need to know about a variant."""
    name = {16: f"M{config.blocks}", 32: "XL" if config.blocks == 11 else ""}.get(config.channels, "")
    size = name or f"{config.blocks} blocks, {config.channels} channels"
    return Facts(
        title=f"SESR {size} {config.scale}x" + ("" if config.form == "rgb" else ", luma"),
        scale=config.scale,
        receptive_radius=4 + config.blocks,  # two pixels for each 5x5 convolution, one for each 3x3
        size_multiple=1,
        source="https://arxiv.org/abs/2103.09404",
        channels=config.colours,
        licence="written from the paper's description; no weights of others are used",
        clipped=config.form == "luma",
    )
