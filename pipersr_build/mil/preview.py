"""The compute `bf16`: for fast previews, not exact, and never chosen unless it is asked for.

Convolutions take and return bf16 values (8 significant bits, sums in float32), and the operations below
compute with whatever type they get; every other operation gets float32. Values in bf16 are rounded no
further and have the range of float32, so fp16 overflow does not show.
"""

from typing import Any

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import Function

# Operations that move values about, or whose error in bf16 is only that of rounding their result.
_ANY_TYPE = frozenset({
    "add", "clip", "concat", "crop", "depth_to_space", "expand_dims", "identity", "leaky_relu", "maximum",
    "minimum", "mul", "pad", "pixel_shuffle", "pixel_unshuffle", "relu", "relu6", "reshape", "sigmoid",
    "silu", "slice_by_index", "slice_by_size", "space_to_depth", "split", "squeeze", "sub", "tanh",
    "transpose",
})  # fmt: skip


def taking_bf16(kind: str, function: Function) -> Function:
    """The operation `kind` that may be given values in bf16."""
    if kind in _ANY_TYPE:
        return function

    def widened(**arguments: Any) -> Tensor | tuple[Tensor, ...]:
        return function(**{name: _wide(value) for name, value in arguments.items()})

    return widened


def _wide(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_wide(part) for part in value)
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.bfloat16 else value
