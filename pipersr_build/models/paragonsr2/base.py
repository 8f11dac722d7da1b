"""The base path: the fixed enlargement that the network's detail is added to.

As published it is called Magic Kernel Sharp 2021, which it is not: a half-band low-pass (where its strength
alpha is above 0 it blurs) at low resolution, nearest neighbour, and a binomial blur at high resolution, both
with zero padding, so that the frame's border is too dark: 0.6875 and 0.9375 of the true value.

Every output pixel of nearest neighbour and blur is a weighted mean of 3x3 input pixels with weights that
depend on its place inside the LR pixel alone. So one convolution and a PixelShuffle are the same enlargement;
with the picture's edge repeated around it, also at the border. This is the default. The true Magic Kernel
Sharp 2021 (Costella, https://johncostella.com/magic/) is of the same form, with 9x9 pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, interpolate, pad, pixel_shuffle

COLOURS = 3
HALF_BAND = torch.tensor([-1, 0, 9, 16, 9, 0, -1], dtype=torch.float64) / 32
BLUR = torch.tensor([1, 4, 6, 4, 1], dtype=torch.float64) / 16
SHARPEN = torch.tensor([-1, 6, -35, 204, -35, 6, -1], dtype=torch.float64) / 144


def blur_phases(scale: int) -> Tensor:
    """Weights of the LR pixels before, at and after an output pixel's source: scale, 3 (rows sum to 1).

    Tap t of the blur at sub-pixel p reads the nearest neighbour of sub-pixel p + t - 2. At 2x they are
    [5, 10, 1] / 16 and [1, 10, 5] / 16.
    """
    weights = torch.zeros(scale, 3, dtype=torch.float64)
    for phase in range(scale):
        for tap, weight in enumerate(BLUR):
            weights[phase, (phase + tap - 2) // scale + 1] += weight
    return weights


def magic_phases(scale: int) -> Tensor:
    """Weights of the nine LR pixels around the source in Magic Kernel Sharp 2021: scale, 9 (rows sum to 1).

    The kernel is the quadratic B-spline (the Magic Kernel) convolved with the sharpener; sub-pixel p lies
    (p + 1/2) / scale - 1/2 of an LR pixel from its source's centre.
    """
    places = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distances = (places[:, None] - torch.arange(-1, 2)).abs()  # scale, 3
    spline = torch.where(distances <= 0.5, 0.75 - distances**2, (distances - 1.5).clamp(max=0) ** 2 / 2)
    return conv1d(spline[:, None], SHARPEN[None, None], padding=6)[:, 0]


class PhaseBase(nn.Module):
    """Enlarge with one fixed convolution and a PixelShuffle, the picture's edge repeated around it.

    Args:
        phases: of both axes: scale, k with odd k.
    """

    kernel: Tensor

    def __init__(self, phases: Tensor) -> None:
        super().__init__()
        self.scale, self.radius = len(phases), phases.shape[1] // 2
        each = torch.einsum("pi,qj->pqij", phases, phases).flatten(0, 1)  # scale², k, k
        kernel = torch.einsum("oc,pij->opcij", torch.eye(COLOURS, dtype=torch.float64), each)
        self.register_buffer("kernel", kernel.flatten(0, 1).float(), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        """B, 3, H, W to B, 3, scale H, scale W; never in lower precision by autocast."""
        with torch.autocast(lr.device.type, enabled=False):
            framed = pad(lr, [self.radius] * 4, mode="replicate")
            return pixel_shuffle(conv2d(framed, self.kernel), self.scale)


class PublishedBase(nn.Module):
    """The published enlargement, dark border and all; its 72 numbers are fixed.

    Args:
        scale: HR pixels per LR pixel.
        alpha: share of the low-pass that takes the picture's place; at 0 it is left out.
    """

    def __init__(self, scale: int, alpha: float) -> None:
        super().__init__()
        self.scale, self.alpha = scale, alpha
        for name, taps in (("low_pass", HALF_BAND), ("blur", BLUR)):
            kernel = taps.float().repeat(COLOURS, 1, 1, 1)  # 3, 1, 1, k
            self.register_buffer(f"{name}_rows", kernel, persistent=False)
            self.register_buffer(f"{name}_columns", kernel.mT.contiguous(), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        """B, 3, H, W to B, 3, scale H, scale W; never in lower precision by autocast."""
        with torch.autocast(lr.device.type, enabled=False):
            if self.alpha > 0:
                lr = lr + self.alpha * (self._separable("low_pass", lr) - lr)
            nearest = interpolate(lr, scale_factor=float(self.scale), mode="nearest")
            return self._separable("blur", nearest)

    def _separable(self, name: str, x: Tensor) -> Tensor:
        rows, columns = self.get_buffer(f"{name}_rows"), self.get_buffer(f"{name}_columns")
        across = conv2d(x, rows, padding=(0, rows.shape[3] // 2), groups=COLOURS)
        return conv2d(across, columns, padding=(columns.shape[2] // 2, 0), groups=COLOURS)
