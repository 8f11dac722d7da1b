"""How the interpreter holds MIL values in PyTorch tensors, and how it rounds them.

Floating-point values are held in float32 whatever their type, so that every operation computes and
accumulates in float32; a value of type fp16 is rounded to fp16 when it has been computed. Integers
are held exactly, those that PyTorch cannot compute with in the next wider type.

With the compute `bf16`, which is not exact, floating-point values may be held in bf16 and are not
rounded any further (see `preview`).
"""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pipersr_build.mil.ane.rounding import to_fp16
from pipersr_build.mil.graph import TensorType

Semantics = Literal["fp16", "fp32", "ane"]
SEMANTICS: tuple[Semantics, ...] = get_args(Semantics)

Compute = Literal["exact", "bf16"]
COMPUTE: tuple[Compute, ...] = get_args(Compute)

HELD: dict[str, torch.dtype] = {
    "bool": torch.bool, "fp16": torch.float32, "fp32": torch.float32, "fp64": torch.float64,
    "int8": torch.int8, "int16": torch.int16, "int32": torch.int32, "int64": torch.int64,
    "uint8": torch.uint8, "uint16": torch.int32, "uint32": torch.int64, "uint64": torch.int64,
}  # fmt: skip

_RANGES: dict[str, tuple[int, int]] = {
    **{f"int{n}": (-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (0, 2**n - 1) for n in (8, 16, 32)},
    "uint64": (0, 2**63 - 1),
}
_LARGEST = 2**63 - 1024  # the largest double that is an int64

PIECE = 1 << 19  # elements computed with at a time: few enough to stay in the cache of a core


def held(array: np.ndarray, dtype: str) -> Tensor:
    """A numpy array of MIL type `dtype` as the tensor that holds it (a copy unless nothing changes)."""
    exact = array.astype(np.float32) if dtype == "fp16" else array
    if dtype.startswith("uint") and dtype != "uint8":
        exact = exact.astype(np.int64)
    return torch.from_numpy(np.array(exact, order="C")).to(HELD[dtype])


def convert(value: Tensor, dtype: str) -> Tensor:
    """`value` in the tensor type that holds `dtype`; not rounded to fp16.

    Floating point becomes integer towards zero, and to the nearest bound (NaN to 0) out of range;
    integers wrap as in two's complement.
    """
    if dtype not in _RANGES:
        return value.to(HELD[dtype])
    low, high = _RANGES[dtype]
    if value.is_floating_point():
        whole = torch.nan_to_num(value.double(), nan=0.0).trunc_()
        return whole.clamp_(low, min(high, _LARGEST)).long().to(HELD[dtype])
    if dtype in ("uint16", "uint32"):
        value = value.long() & high
    return value.to(HELD[dtype])


def settle(value: Tensor, declared: TensorType, semantics: Semantics, shared: str | None) -> Tensor:
    """The result of an operation as a value of its declared type.

    Args:
        value: the result; changed in place where it is rounded and not shared.
        declared: its type in the program.
        semantics: whether values of type fp16 are rounded (`fp16`; `ane`: with halves away from zero) or
            kept in float32 (`fp32`).
        shared: the type of the argument whose memory the result uses, if it does.
    """
    if shared == declared.dtype or declared.dtype not in HELD:
        return value
    if value.dtype is torch.bfloat16 and HELD[declared.dtype] is torch.float32:
        return value
    if value.dtype is not HELD[declared.dtype]:
        value, shared = convert(value, declared.dtype), None
    if declared.dtype != "fp16" or semantics == "fp32":
        return value
    if semantics == "ane":
        return to_fp16(value)
    return value.half().float() if shared else round_to_fp16_(value)


def round_to_fp16_(value: Tensor) -> Tensor:
    """Round a float32 tensor to fp16 (nearest, ties to even, overflow to infinity); in place if dense."""
    dense = flat(value)
    if dense is None:
        return value.half().float()
    scratch = torch.empty(min(PIECE, dense.numel()), dtype=torch.half)
    for piece in torch.split(dense, PIECE):
        rounded = scratch[: piece.numel()]
        rounded.copy_(piece)
        piece.copy_(rounded)
    return value


def memory(value: Tensor) -> int:
    """A number that two tensors share exactly if they use the same memory."""
    return value.untyped_storage().data_ptr()


def flat(value: Tensor) -> Tensor | None:
    """All elements of a dense tensor as a one-dimensional view, in some order."""
    if value.is_contiguous():
        return value.view(-1)
    if value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last):
        return value.permute(0, 2, 3, 1).view(-1)
    return None
