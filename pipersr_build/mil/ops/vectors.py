"""Functions of single numbers whose result does not depend on where in memory a number lies.

PyTorch computes them by whole vectors of the processor. What is left over at the end of a thread's share goes
through other code, whose exponentials round otherwise in some places, so that a tile would not be to the bit
what the whole picture is there. Here what is left over is filled up to whole vectors.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pipersr_build.mil.values import flat

_UNIT = 64  # numbers: two vectors of 512 bits in fp16; PyTorch's loop takes two at a time
_GRAIN = 32_768  # numbers that a thread takes at least (at::internal::GRAIN_SIZE)

Write = Callable[..., object]  # takes a tensor, parameters and `out`


def writing(function: Write) -> Write:
    """The operation that writes `function` of its input `x` into `out`, which may be `x`."""

    def operation(x: Tensor, *, out: Tensor, **parameters: Any) -> None:
        source, target = flat(x), flat(out)
        if source is None or target is None or x.stride() != out.stride():
            out.copy_(allocating(function)(x, **parameters))
            return
        _write(function, source, target, parameters)

    return operation


def allocating(function: Write) -> Callable[..., Tensor]:
    """The operation that returns `function` of its input `x`."""

    def operation(x: Tensor, **parameters: Any) -> Tensor:
        x = x if flat(x) is not None else x.contiguous()
        out = torch.empty_like(x)
        source, target = flat(x), flat(out)
        assert source is not None
        assert target is not None, "it is laid out as x is"
        _write(function, source, target, parameters)
        return out

    return operation


def _write(function: Write, source: Tensor, target: Tensor, parameters: dict[str, Any]) -> None:
    whole = _whole(len(source))
    if whole:
        function(source[:whole], **parameters, out=target[:whole])
    if rest := len(source) - whole:
        filled = source.new_zeros(-(-rest // _UNIT) * _UNIT)
        filled[:rest] = source[whole:]
        function(filled, **parameters, out=filled)
        target[whole:] = filled[:rest]


def _whole(count: int) -> int:
    """How many of so many numbers give every thread a share of whole vectors."""
    while count:
        shares = min(torch.get_num_threads(), -(-count // _GRAIN))
        left = count % (shares * _UNIT)
        if not left:
            break
        count -= left
    return count
