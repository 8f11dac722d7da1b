"""Normalisations. All keep shape and type; statistics are of the population (divided by n)."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops.arguments import Ints, along_channels, axis_of


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """gammaᵢ·(x - meanᵢ) / sqrt(varianceᵢ + epsilon) + betaᵢ per channel of x (B, C, ...)."""
    return F.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    """As `batch_norm`, with the mean and variance of each image and channel of x (B, C, ...)."""
    normal = _normal(x, list(range(2, x.dim())), epsilon)
    scaled = normal if gamma is None else normal * along_channels(gamma, x)
    return scaled if beta is None else scaled + along_channels(beta, x)


def layer_norm(
    x: Tensor,
    axes: Ints | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) over `axes` (all by default), times gamma plus beta.

    gamma and beta have the extents of `axes`, in the order of x's axes.
    """
    over = sorted({axis_of(axis, x.dim()) for axis in axes}) if axes else list(range(x.dim()))
    shape = [n if axis in over else 1 for axis, n in enumerate(x.shape)]
    normal = _normal(x, over, epsilon)
    scaled = normal if gamma is None else normal * gamma.reshape(shape)
    return scaled if beta is None else scaled + beta.reshape(shape)


def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """`x` / sqrt(sum of squares over the last three axes + epsilon)."""
    return x / torch.sqrt((x * x).sum(dim=(-3, -2, -1), keepdim=True) + epsilon)


def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """`x` / (k + alpha / size · sum of squares of `size` neighbouring channels) ** beta; x is B, C, ..."""
    return F.local_response_norm(x, size, alpha, beta, k)


def _normal(x: Tensor, axes: Ints, epsilon: float) -> Tensor:
    variance, mean = torch.var_mean(x, dim=axes, correction=0, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon)
