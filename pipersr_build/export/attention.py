"""PyTorch's multi-head attention as products and a softmax: its own form asks tensors for their sizes."""

import inspect
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_SIGNATURE = inspect.signature(F.multi_head_attention_forward)
_ABSENT = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")
_OFF = ("add_zero_attn", "is_causal", "use_separate_proj_weight")


def is_plain(*args: Any, **kwargs: Any) -> bool:
    """Whether these arguments of `F.multi_head_attention_forward` ask for nothing but attention.

    No masks, no dropout, no keys or values of another width or from elsewhere.
    """
    given = _bound(args, kwargs)
    nothing_else = all(given[name] is None for name in _ABSENT) and not any(given[name] for name in _OFF)
    dropped = given["training"] and given["dropout_p"] > 0
    return nothing_else and not dropped and given["query"].dim() == 3


def attention(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    """`F.multi_head_attention_forward` where `is_plain`: what is attended to, and the shares if asked for.

    Query is L, B, C, key and value S, B, C; the result is L, B, C, and the shares are B, L, S or, not
    averaged, B, heads, L, S.
    """
    given = _bound(args, kwargs)
    q, k, v = _projected(given)
    shares = torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(2, 3), -1)
    mixed = (shares @ v).permute(2, 0, 1, 3).flatten(2)  # L, B, C
    out = F.linear(mixed, given["out_proj_weight"], given["out_proj_bias"])
    if not given["need_weights"]:
        return out, None
    return out, shares.mean(1) if given["average_attn_weights"] else shares


def _bound(args: Any, kwargs: Any) -> dict[str, Any]:
    bound = _SIGNATURE.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def _projected(given: dict[str, Any]) -> list[Tensor]:
    """Query, key and value, each B, heads, length, C / heads."""
    weights, bias = given["in_proj_weight"].chunk(3), given["in_proj_bias"]
    offsets = (None, None, None) if bias is None else bias.chunk(3)
    found = []
    for name, weight, offset in zip(("query", "key", "value"), weights, offsets, strict=True):
        x = F.linear(given[name], weight, offset)
        by_heads = x.reshape(x.shape[0], x.shape[1], given["num_heads"], -1)
        found.append(by_heads.permute(1, 2, 0, 3))
    return found
