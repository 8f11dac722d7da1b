"""Matrix products."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops.arguments import Tensors


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` (..., D_in) times the transpose of weight (D_out, D_in), plus bias (D_out)."""
    return F.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """The matrix product of the last two axes; the others broadcast. A vector has nothing to transpose."""
    left = x.transpose(-1, -2) if transpose_x and x.dim() > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.dim() > 1 else y
    return torch.matmul(left, right)


def einsum(values: Tensors, equation: str) -> Tensor:
    """The sum of products that `equation` describes; axes of extent 1 broadcast."""
    return torch.einsum(equation, *values)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """softmax(query·keyᵀ / sqrt(E) + mask)·value; query (..., L, E), key (..., S, E), value (..., S, EV).

    A boolean mask says which positions take part.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value
