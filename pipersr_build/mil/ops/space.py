"""Rearrangements between channels, batch and the two spatial axes of B, C, H, W."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops import padding
from pipersr_build.mil.ops.arguments import Ints
from pipersr_build.mil.ops.slicing import crop


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """B, C·f², H, W to B, C, H·f, W·f; channel c·f² + i·f + j goes to row i, column j of channel c."""
    return F.pixel_shuffle(x, upscale_factor)


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""
    return F.pixel_unshuffle(x, downscale_factor)


def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """B, C·b², H, W to B, C, H·b, W·b; channel (i·b + j)·C + c goes to row i, column j of channel c."""
    batch, depth, height, width = x.shape
    channels = depth // block_size**2
    blocks = x.reshape(batch, block_size, block_size, channels, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels, height * block_size, width * block_size)


def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """The inverse of `depth_to_space`."""
    batch, channels, height, width = x.shape
    rows, columns = height // block_size, width // block_size
    blocks = x.reshape(batch, channels, rows, block_size, columns, block_size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * block_size**2, rows, columns)


def space_to_batch(x: Tensor, block_shape: Ints, paddings: Ints) -> Tensor:
    """Pad, then B, C, H·a, W·b to B·a·b, C, H, W; row i, column j of image n becomes (i·b + j)·B + n."""
    padded = padding.constant(x, padding.pairs(paddings, 2))
    batch, channels, height, width = padded.shape
    rows, columns = height // block_shape[0], width // block_shape[1]
    blocks = padded.reshape(batch, channels, rows, block_shape[0], columns, block_shape[1])
    return blocks.permute(3, 5, 0, 1, 2, 4).reshape(-1, channels, rows, columns)


def batch_to_space(x: Tensor, block_shape: Ints, crops: Ints) -> Tensor:
    """The inverse of `space_to_batch`: rearrange, then crop."""
    many, channels, rows, columns = x.shape
    down, across = block_shape
    blocks = x.reshape(down, across, many // (down * across), channels, rows, columns)
    whole = blocks.permute(2, 3, 4, 0, 5, 1).reshape(-1, channels, rows * down, columns * across)
    return crop(whole, crops[:2], crops[2:])
