"""Find out how far a network looks, where its description does not say."""

import copy
import math

import torch
from torch import nn

SIZE = 64  # LR pixels; what reaches further is not told from what is unbounded
LARGEST = 1_500_000  # parameters: with more, the search takes longer than it is worth
_PLACES = ((0, 0), (1, 1), (3, 5))  # off the centre: networks with windows do not look equally far everywhere


@torch.inference_mode()
def receptive_radius(network: nn.Module, scale: int, size: int = SIZE) -> int | None:
    """LR pixels around an output pixel's source that influence it.

    One pixel of a random picture is made NaN: whatever is computed from it becomes NaN, however small its
    influence. The arithmetic is float64, for which PyTorch has no kernels that mix neighbouring results.

    Args:
        network: B, 3, H, W in [0, 1] to B, 3, scale H, scale W.
        scale: its scale.
        size: of the square random picture.

    Returns:
        None where the network is too large for the search, does not compute in float64, looks further than
        half the picture, or not equally far everywhere (windows, attention, pooling).
    """
    if sum(p.numel() for p in network.parameters()) > LARGEST:
        return None
    exact, middle = copy.deepcopy(network).double().eval(), size // 2
    try:
        found = {_reach(exact, scale, size, middle + down, middle + right) for down, right in _PLACES}
    except RuntimeError:  # it makes tensors of a type of its own
        return None
    radius = max(found)
    return radius if len(found) == 1 and radius < middle - max(map(max, _PLACES)) - 1 else None


def _reach(network: nn.Module, scale: int, size: int, row: int, column: int) -> int:
    """How far from LR pixel (row, column) the output depends on it."""
    picture = torch.rand(1, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    picture[..., row, column] = math.nan
    _, _, rows, columns = torch.nonzero(network(picture).isnan(), as_tuple=True)
    if not len(rows):
        return 0
    return int(max((rows // scale - row).abs().max(), (columns // scale - column).abs().max()))
