"""`F.unfold` and `F.fold` of windows in operations that can be converted.

coremltools writes the first as a convolution with a filter for every element of a window, and refuses the
second where windows overlap. Here a window is put together of the squares of one step, and cut into them.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Size = int | Sequence[int]


def unfolds(x: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> bool:
    """Whether these arguments of `F.unfold` ask for what `unfold` does."""
    return x.dim() == 4 and _regular(kernel_size, dilation, padding, stride)


def folds(
    x: Tensor, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> bool:
    """Whether these arguments of `F.fold` ask for what `fold` does."""
    del output_size
    return x.dim() == 3 and _regular(kernel_size, dilation, padding, stride)


def _regular(kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> bool:
    """Windows of whole square steps, without gaps and padding."""
    (high, wide), (step, across) = _pair(kernel_size), _pair(stride)
    whole = step == across and high % step == 0 and wide % step == 0
    return whole and (_pair(dilation), _pair(padding)) == ((1, 1), (0, 0))


def unfold(x: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of x, B, C, H, W, one after the other: B, C x their pixels, windows. See `unfolds`."""
    del dilation, padding
    (high, wide), step = _pair(kernel_size), _pair(stride)[0]
    batch, channels, height, width = x.shape
    rows, columns = (height - high) // step + 1, (width - wide) // step + 1

    def squares(down: int, right: int) -> Tensor:
        part = x.narrow(2, down, rows * step).narrow(3, right, columns * step)
        return F.pixel_unshuffle(part, step).reshape(batch, channels, step, step, rows * columns)

    strips = [
        torch.cat([squares(down, right) for right in range(0, wide, step)], 3)
        for down in range(0, high, step)
    ]
    return torch.cat(strips, 2).reshape(batch, channels * high * wide, rows * columns)


def fold(
    x: Tensor, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """The sum of windows, B, C x their pixels, windows, at their places in B, C, H, W. See `folds`."""
    del dilation, padding
    (height, width), (high, wide), step = _pair(output_size), _pair(kernel_size), _pair(stride)[0]
    rows, columns = (height - high) // step + 1, (width - wide) // step + 1
    batch, channels = x.shape[0], x.shape[1] // (high * wide)
    windows = x.reshape(batch, channels, high, wide, rows * columns)

    def placed(down: int, right: int) -> Tensor:
        part = windows.narrow(2, down, step).narrow(3, right, step)
        squares = F.pixel_shuffle(part.reshape(batch, channels * step * step, rows, columns), step)
        below, beside = height - down - rows * step, width - right - columns * step
        whole = not any((right, beside, down, below))
        return squares if whole else F.pad(squares, (right, beside, down, below))

    first, *others = [placed(down, right) for down in range(0, high, step) for right in range(0, wide, step)]
    return sum(others, first)


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
