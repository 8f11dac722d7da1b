"""Activations with parameters or of several kinds; all keep shape and type.

Source: the formulas in coremltools' operation definitions. The plain ones are in the table.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops import vectors
from pipersr_build.mil.ops.arguments import along_channels, one_of

_ELU = vectors.allocating(torch.ops.aten.elu.out)
_SIGMOID = vectors.allocating(torch.sigmoid)
_SOFTPLUS = vectors.allocating(torch.ops.aten.softplus.out)
_TANH = vectors.allocating(torch.tanh)


def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """min(beta, x) where x >= 0, else min(beta, alpha·x)."""
    return F.leaky_relu(x, alpha).clamp_(max=beta)


def elu(x: Tensor, alpha: float) -> Tensor:
    """`x` where x > 0, else alpha·(eˣ - 1)."""
    return _ELU(x, alpha=alpha)


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """x·Φ(x), exact or approximated by tanh or by the sigmoid of 1.702x."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * _SIGMOID(1.702 * x)
    return F.gelu(x, approximate=one_of("mode", mode, {"EXACT": "none", "TANH_APPROXIMATION": "tanh"}))


def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """`x` where x >= 0, else alpha·x."""
    return F.leaky_relu(x, alpha)


def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha·x + beta."""
    return alpha * x + beta


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """`x` where x > 0, else alphaᵢ·x; x is B, C, ... and alpha C."""
    return torch.where(x > 0, x, x * along_channels(alpha, x))


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return x.clamp(0, 6)


def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha·tanh(beta·x)."""
    return alpha * _TANH(beta * x)


def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """min(max(alpha·x + beta, 0), 1)."""
    return (alpha * x + beta).clamp_(0, 1)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The exponential divided by its sum along `axis`."""
    return torch.softmax(x, axis)


def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alphaᵢ·log(1 + e^(betaᵢ·x)); x is B, C, ... and alpha and beta C."""
    return along_channels(alpha, x) * _SOFTPLUS(along_channels(beta, x) * x)


def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """`x` where x >= alpha, else 0."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))
