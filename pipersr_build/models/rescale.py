"""A network of one scale as the start of one of another scale: the body is taken, the tail derived."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build import models


def can_rescale(found: Any, wanted: Any) -> bool:
    """Whether `rescaled` makes `wanted` of a network that `found` describes: they differ in scale alone."""
    if found.family != wanted.family or not models.FAMILIES[found.family].subpixel:
        return False
    whole = float(found.scale).is_integer() and float(wanted.scale).is_integer()
    return whole and found.scale != wanted.scale and replace(found, scale=wanted.scale) == wanted


def rescaled(network: nn.Module, scale: int) -> nn.Module:
    """A new network of another scale whose first output is about the old one's, resampled.

    Everything before the sub-pixel convolutions is taken over. Of these, each output pixel's kernel and
    bias are interpolated between the old sub-pixels', linearly in the place within the LR pixel, beyond
    the outermost ones extrapolated. A network that repeats pixels becomes one that repeats pixels.

    Args:
        network: with its configuration, its sub-pixel convolutions plain ones; see `can_rescale`.
        scale: the other one.
    """
    before: Any = network.config
    config, old = replace(before, scale=scale), int(before.scale)
    tensors = copy.deepcopy(network.state_dict())
    for module in models.FAMILIES[config.family].subpixel:
        for key in (f"{module}.weight", f"{module}.bias"):
            if key in tensors:
                tensors[key] = _resampled(tensors[key], old, scale)
    made = models.build(config).to(next(network.parameters()))
    made.load_state_dict(tensors)
    return made.train(network.training)


def _resampled(tensor: Tensor, old: int, new: int) -> Tensor:
    """Colours, rows and columns within the LR pixel, in one dimension: C old^2, … to C new^2, … ."""
    grid = tensor.reshape(-1, old, old, *tensor.shape[1:])  # C, old, old, …
    matrix = interpolation(old, new).to(tensor)  # new, old
    rows = torch.tensordot(matrix, grid, dims=([1], [1]))  # new, C, old, …
    both: Tensor = torch.tensordot(matrix, rows, dims=([1], [2]))  # new (columns), new (rows), C, …
    return both.movedim((2, 1, 0), (0, 1, 2)).reshape(-1, *tensor.shape[1:])


def interpolation(old: int, new: int) -> Tensor:
    """Weights of the old sub-pixels for each new one, shape new, old: linear, rows sum to 1.

    Sub-pixel i of s lies at (i + 1/2) / s of the LR pixel's edge.
    """
    places = (torch.arange(new, dtype=torch.float64) + 0.5) / new * old - 0.5  # in old sub-pixels
    first = places.floor().clamp(0, old - 2).long()
    share = places - first  # beyond 0 to 1 where it extrapolates
    matrix = torch.zeros(new, old, dtype=torch.float64)
    matrix[range(new), first] = 1 - share
    matrix[range(new), first + 1] = share
    return matrix
