"""Kernels and the convolutions made of them, for blocks that collapse into one convolution."""

import torch
from torch import Tensor, nn


def convolution(kernel: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution of stride 1 whose zero padding keeps the size; copies, and draws no random numbers.

    Args:
        kernel: out, in, k, k with odd k.
        bias: out, or None for a convolution without.
    """
    outputs, inputs, size = kernel.shape[:3]
    plain = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias is not None, device="meta")
    plain.weight = nn.Parameter(kernel.detach().clone())
    if bias is not None:
        plain.bias = nn.Parameter(bias.detach().clone())
    return plain


def identity_kernel(channels: int, size: int) -> Tensor:
    """The kernel channels, channels, size, size that passes every channel on."""
    kernel = torch.zeros(channels, channels, size, size)
    kernel[range(channels), range(channels), size // 2, size // 2] = 1
    return kernel


def nearest_kernel(colors: int, scale: int) -> Tensor:
    """The 1x1 kernel that repeats every colour for every sub-pixel: colors scale², colors, 1, 1.

    Before a PixelShuffle it is the nearest-neighbour upscaler: an anchor that the Neural Engine runs as a
    convolution, without a copy by `tile` or `concat`.
    """
    return torch.eye(colors).repeat_interleave(scale**2, dim=0)[:, :, None, None]


@torch.no_grad()
def pass_colours(head: nn.Conv2d, tail: nn.Conv2d, scale: int) -> None:
    """Make tail(head(x)), before a PixelShuffle, the nearest-neighbour upscaler.

    The head passes red, green and blue through its first three channels, the tail puts them into the
    sub-pixels. The head's other channels keep their random start.

    Args:
        head: 3 to C channels, kernels of odd size.
        tail: C to 3 scale² channels, kernels of odd size.
        scale: of the PixelShuffle.
    """
    centre = head.kernel_size[0] // 2
    head.weight[:3] = 0
    head.weight[range(3), range(3), centre, centre] = 1
    tail.weight.zero_()
    centre = tail.kernel_size[0] // 2
    tail.weight[:, :3, centre, centre] = nearest_kernel(3, scale)[:, :, 0, 0]
    if head.bias is not None:
        head.bias[:3] = 0
    if tail.bias is not None:
        tail.bias.zero_()
