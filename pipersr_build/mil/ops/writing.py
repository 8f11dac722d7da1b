"""Operations that can write their result into given memory, that of a value no longer needed included.

Each computes what the function of the same type in the table computes. They are those which
make the large values of super-resolution networks; all others allocate their results.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipersr_build.mil.ops import convolution, vectors

Layout = tuple[tuple[int, ...], torch.dtype]  # shape and dtype of a result


@dataclass(frozen=True, slots=True)
class Writer:
    """How an operation writes its result.

    Args:
        layout: of the result, from the operation's arguments; None where it cannot write this one.
        write: takes the arguments and `out`, a dense tensor of that layout.
        over: the arguments that `out` may be, which are then overwritten.
    """

    layout: Callable[..., Layout | None]
    write: Callable[..., object]
    over: tuple[str, ...] = ()

    @property
    def elementwise(self) -> bool:
        """Whether parts of the result depend only on the same parts of the arguments."""
        return self.layout is _same or self.layout is _broadcast


def _same(x: Tensor, **_: object) -> Layout | None:
    return (tuple(x.shape), x.dtype) if x.is_floating_point() else None


def _broadcast(x: Tensor, y: Tensor) -> Layout | None:
    """Of two values of one type, which broadcast."""
    if x.dtype is not y.dtype or not x.is_floating_point():
        return None
    return tuple(torch.broadcast_shapes(x.shape, y.shape)), x.dtype  # type: ignore[no-untyped-call]


def _unary(function: Callable[..., object]) -> Writer:
    return Writer(_same, function, ("x",))


def _binary(function: Callable[..., object]) -> Writer:
    return Writer(_broadcast, lambda x, y, out: function(x, y, out=out), ("x", "y"))


TABLE: dict[str, Writer] = {
    "conv": Writer(convolution.layout, convolution.conv_into),
    # elementwise, one value
    "clip": _unary(lambda x, alpha, beta, out: torch.clamp(x, alpha, beta, out=out)),
    "leaky_relu": _unary(lambda x, alpha, out: torch.ops.aten.leaky_relu.out(x, alpha, out=out)),
    "relu": _unary(lambda x, out: torch.ops.aten.clamp_min.out(x, 0, out=out)),
    "sigmoid": _unary(vectors.writing(torch.sigmoid)),
    "silu": _unary(vectors.writing(torch.ops.aten.silu.out)),
    "tanh": _unary(vectors.writing(torch.tanh)),
    # elementwise, two values
    "add": _binary(torch.add),
    "maximum": _binary(torch.maximum),
    "minimum": _binary(torch.minimum),
    "mul": _binary(torch.mul),
    "real_div": _binary(torch.true_divide),
    "sub": _binary(torch.sub),
}
