"""Convolution and its transpose, in one to three dimensions."""

import platform
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops import padding
from pipersr_build.mil.ops.arguments import Ints, along_channels

T = TypeVar("T", Tensor, Tensor | None)

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSE: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}
_SINGLE_OR_BF16 = (torch.float32, torch.bfloat16)

# Whether oneDNN is called by name: its kernels for x86 are those that this has been tested with.
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_ONEDNN = _X86 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def prepared(arguments: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """The constant arguments of `conv` with a float32 weight in `dtype` and in the order it needs."""
    weight: Tensor | None = arguments.get("weight")
    if weight is None or weight.dtype is not torch.float32:
        return arguments
    weight = weight.to(dtype)
    if weight.dim() == 4:
        weight = weight.contiguous(memory_format=torch.channels_last)
    return arguments | {"weight": weight}


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of x (B, C, *D) with weight (C_out, C / groups, *K); result B, C_out, *D'.

    It is computed in bf16 if the weight is. Left to itself PyTorch takes another algorithm for small inputs,
    which adds in another order: a tile of four axes would not be to the bit what the whole picture is there.
    """
    strides, dilations, pads = _geometry(x, weight, strides, pad_type, pad, dilations)
    x, bias = _as_weight(x, weight), _as_weight(bias, weight)
    x, both = _padded(x, pads)
    if x.dim() == 4:  # oneDNN is up to three times faster in this order, and the result keeps it
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
        if _ONEDNN and weight.dtype is torch.float32 and x.numel():
            return torch.mkldnn_convolution(x, weight, bias, both, strides, dilations, groups)
    return _CONV[len(pads)](x, weight, bias, strides, both, dilations, groups)


def layout(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,  # noqa: ARG001
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,  # noqa: ARG001
) -> tuple[tuple[int, ...], torch.dtype] | None:
    """Shape and dtype of what `conv_into` and `conv_onto` write; None where they cannot."""
    if not _ONEDNN or x.dim() != 4 or weight.dtype not in _SINGLE_OR_BF16:
        return None
    strides, dilations, pads = _geometry(x, weight, strides, pad_type, pad, dilations)
    spans = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    free = [n + sum(p) - k for n, p, k in zip(x.shape[2:], pads, spans, strict=True)]
    size = [n // s + 1 for n, s in zip(free, strides, strict=True)]
    return (x.shape[0], weight.shape[0], *size), weight.dtype


def conv_into(*, out: Tensor, **arguments: Any) -> None:
    """`conv` of four axes, written into `out`, which has its `layout`."""
    conv_onto(**arguments, out=out.zero_())  # adding to zeros changes nothing


def conv_onto(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
    *,
    out: Tensor,
) -> None:
    """`conv` of four axes, added to `out`, which has its `layout`.

    Of PyTorch's convolutions this is the only one that does not allocate its result.
    """
    strides, dilations, pads = _geometry(x, weight, strides, pad_type, pad, dilations)
    x, bias = _as_weight(x, weight), _as_weight(bias, weight)
    x, both = _padded(x, pads)
    x = x.contiguous(memory_format=torch.channels_last)
    add = torch.ops.mkldnn._convolution_pointwise_
    add(out, x, weight, bias, both, strides, dilations, groups, "add", 1.0, None, [], None)


def _geometry(
    x: Tensor, weight: Tensor, strides: Ints | None, pad_type: str, pad: Ints | None, dilations: Ints | None
) -> tuple[Ints, Ints, padding.Amounts]:
    """Strides, dilations and padding of each spatial axis."""
    ones = [1] * (x.dim() - 2)
    strides, dilations = strides or ones, dilations or ones
    sizes = [*x.shape[2:]], [*weight.shape[2:]]
    return strides, dilations, padding.amounts(pad_type, pad, *sizes, strides, dilations)


def _as_weight(value: T, weight: Tensor) -> T:
    """`value` in the weight's dtype where one of them is in bf16."""
    if value is None or not {value.dtype, weight.dtype}.issubset(_SINGLE_OR_BF16):
        return value
    return value.to(weight.dtype)


def _padded(x: Tensor, pads: padding.Amounts) -> tuple[Tensor, Ints]:
    """`x`, and the symmetric padding that remains to be done while convolving."""
    both = padding.symmetric(pads)
    return (x, both) if both is not None else (padding.constant(x, pads), [0] * len(pads))


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """The transpose of `conv`: x (B, C, *D), weight (C, C_out / groups, *K).

    The whole result has (D - 1)·stride + (K - 1)·dilation + 1 elements along an axis. Of them, `custom`
    crops `pad` and `same` crops to D·stride, the odd element at the end; `output_shape`, where given,
    says how many remain after the crop at the start. What lies beyond the whole result is zero.
    """
    ones = [1] * (x.dim() - 2)
    strides, dilations = strides or ones, dilations or ones
    whole = _TRANSPOSE[len(ones)](x, weight, None, strides, 0, 0, groups, dilations)
    sizes = output_shape[2:] if output_shape else None
    for axis, crop in enumerate(_crops(whole, x, pad_type, pad, strides, sizes), start=2):
        whole = _window(whole, axis, *crop)
    return whole if bias is None else whole + along_channels(bias, whole)


def _crops(
    whole: Tensor, x: Tensor, pad_type: str, pad: Ints | None, strides: Ints, sizes: Ints | None
) -> list[tuple[int, int]]:
    """First element and number of elements to keep, per spatial axis."""
    full = [*whole.shape[2:]]
    if pad_type in ("same", "same_lower"):
        kept = sizes or [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
        over = [max(0, f - k) for f, k in zip(full, kept, strict=True)]
        return [(o // 2 if pad_type == "same" else o - o // 2, k) for o, k in zip(over, kept, strict=True)]
    pads = padding.amounts(pad_type, pad, full, full, strides, strides)
    kept = sizes or [f - before - after for f, (before, after) in zip(full, pads, strict=True)]
    return [(before, k) for (before, _), k in zip(pads, kept, strict=True)]


def _window(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    missing = start + size - x.shape[axis]
    if missing > 0:
        x = padding.constant(x, [(0, missing)] + [(0, 0)] * (x.dim() - 1 - axis))
    return x.narrow(axis, start, size)
