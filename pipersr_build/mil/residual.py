"""A convolution and the sum that takes its result, done in one pass over memory.

The sum is the same to the bit as long as the convolution's result is not rounded before it; callers join
only where it is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from pipersr_build.mil.graph import TensorType
from pipersr_build.mil.ops import convolution
from pipersr_build.mil.ops.writing import Layout, Writer
from pipersr_build.mil.prepare import Step


def joined(steps: Sequence[Step], rounded: Callable[[TensorType], bool]) -> list[Step]:
    """The steps with every convolution joined to the sum that follows it, where that changes nothing.

    Args:
        steps: in program order.
        rounded: whether values of a type are rounded when they have been computed.
    """
    result: list[Step] = []
    for step in steps:
        if result and _joins(result[-1], step) and not rounded(result[-1].operation.outputs[0].type):
            result.append(_join(result.pop(), step))
        else:
            result.append(step)
    return result


def _joins(conv: Step, add: Step) -> bool:
    """Whether `add` takes the result of `conv` once, nothing else does, and it adds a computed value."""
    if (conv.operation.type, add.operation.type) != ("conv", "add"):
        return False
    (product,) = conv.operation.outputs
    terms = list(add.inputs())
    return len(terms) == 2 and terms.count(product.name) == 1 and product.name in add.unused


def _join(conv: Step, add: Step) -> Step:
    (product,) = conv.operation.outputs
    term = next(bound for bound in add.computed.values() if bound[0] != (product.name,))
    unused = (*conv.unused, *(name for name in add.unused if name != product.name))
    return replace(
        conv,
        operation=add.operation,
        function=_sum,
        computed=conv.computed | {"term": term},
        unused=unused,
        writer=Writer(_layout, _write, over=("term",)),
    )


def _sum(term: Tensor, **arguments: Any) -> Tensor:
    return convolution.conv(**arguments) + term


def _layout(term: Tensor, **arguments: Any) -> Layout | None:
    """Of the sum, if it has the layout of both."""
    layout = convolution.layout(**arguments)
    return layout if layout == (tuple(term.shape), term.dtype) else None


def _write(term: Tensor, out: Tensor, **arguments: Any) -> None:
    convolution.conv_onto(**arguments, out=out if out is term else out.copy_(term))
