"""Rewrite a convolution whose kernel the engine refuses as a sum of convolutions with parts of it."""

from dataclasses import dataclass
from itertools import product, starmap
from typing import Any

import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.types.symbolic import any_symbolic

from pipersr_build.export.passes import blocks
from pipersr_build.export.passes.parts import Part, divide


class split_kernels(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801, the pipeline's way of naming
    """Two-dimensional convolutions with kernels beyond the engine's limits become sums of smaller ones.

    The sum of products is the same; it is rounded to fp16 once more for each part.
    """

    def apply(self, prog: Any) -> None:
        """Rewrite every block of the program."""
        blocks.rewrite(prog, _rewrite_one)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a convolution, for rows and for columns."""

    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    common: dict[str, Any]


def _rewrite_one(block: Any) -> bool:
    return any(_split(operation) for operation in list(block.operations) if operation.op_type == "conv")


def _split(conv: Any) -> bool:
    if conv.weight.val is None or conv.weight.rank != 4 or any_symbolic(conv.x.shape):
        return False
    numbers, kernel = _numbers(conv), conv.weight.shape[2:]
    if numbers is None:
        return False
    rows, columns = (
        divide(int(kernel[axis]), int(kernel[1 - axis]), int(conv.x.shape[2 + axis]), bool(axis),
               numbers.padding[axis], numbers.dilation[axis])
        for axis in (0, 1)
    )  # fmt: skip
    if len(rows) * len(columns) < 2:
        return False
    return blocks.replace(conv, _sum(conv, list(product(rows, columns)), numbers))


def _numbers(conv: Any) -> _Numbers | None:
    strides, dilations = (tuple(map(int, v.val)) for v in (conv.strides, conv.dilations))
    padding = _padding(conv, strides, dilations)
    if padding is None:
        return None
    common = {"strides": strides, "dilations": dilations, "groups": conv.groups.val, "pad_type": "custom"}
    return _Numbers(padding, (dilations[0], dilations[1]), common)


def _padding(conv: Any, strides: tuple[int, ...], dilations: tuple[int, ...]) -> Any:
    """Rows before and after, columns before and after; None where it depends on the extents."""
    kind = conv.pad_type.val
    if kind == "valid":
        return ((0, 0), (0, 0))
    if kind == "custom":
        top, bottom, left, right = map(int, conv.pad.val)
        return ((top, bottom), (left, right))
    if kind != "same" or strides != (1, 1):
        return None
    totals = [(int(k) - 1) * d for k, d in zip(conv.weight.shape[2:], dilations, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _sum(conv: Any, parts: list[tuple[Part, Part]], numbers: _Numbers) -> Any:
    """The convolutions with the parts, the first of them with the bias, added one after the other."""
    results = list(starmap(lambda rows, columns: _conv(conv, rows, columns, numbers, bias=False), parts[1:]))
    total = _conv(conv, *parts[0], numbers, bias=True)
    for number, result in enumerate(results, 1):
        name = {"name": conv.outputs[0].name} if number == len(results) else {}
        total = mb.add(x=total, y=result, before_op=conv, **name)
    return total


def _conv(conv: Any, rows: Part, columns: Part, numbers: _Numbers, *, bias: bool) -> Any:
    weight = conv.weight.val[:, :, rows.first : rows.last, columns.first : columns.last]
    return mb.conv(
        x=_cropped(conv, rows, columns),
        weight=np.ascontiguousarray(weight),
        pad=[*rows.padding, *columns.padding],
        before_op=conv,
        **({"bias": conv.bias.val} if bias and conv.bias is not None else {}),
        **numbers.common,
    )


def _cropped(conv: Any, rows: Part, columns: Part) -> Any:
    """The convolution's operand without the rows and columns that the part does not reach."""
    if not any((*rows.crop, *columns.crop)):
        return conv.x
    batch, channels, height, width = map(int, conv.x.shape)
    end = (batch, channels, height - rows.crop[1], width - columns.crop[1])
    return mb.slice_by_index(x=conv.x, begin=(0, 0, rows.crop[0], columns.crop[0]), end=end, before_op=conv)
