"""Executing a step in as few passes over memory as its values allow.

A value that is to be rounded to fp16 is not rounded when a convolution has written it, but by the
elementwise operation that reads it, piece by piece, while the piece is in the processor's cache; that
operation's own result is rounded there too. Whatever else reads a value has it rounded before. The
results are those of rounding every value at once.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pipersr_build.mil.ops.writing import Layout, Writer
from pipersr_build.mil.prepare import Step, Values
from pipersr_build.mil.values import HELD, PIECE, flat, memory
from pipersr_build.mil.workspace import SMALL, Workspace


def write(step: Step, values: Values, workspace: Workspace, *, rounds: bool) -> Tensor | None:
    """The result of a step, written into memory of `workspace`; None where it is small or cannot be.

    Args:
        step: what to execute.
        values: what it takes; memory that nothing needs after the step may be overwritten.
        workspace: told which values are not rounded yet.
        rounds: whether the result, of type fp16 as what it is computed of, must be rounded: now, or
            before it is used.
    """
    if step.writer is None or HELD.get(step.operation.outputs[0].type.dtype) is not torch.float32:
        return None
    arguments = step.arguments(values)
    layout = step.writer.layout(**arguments)
    if layout is None or math.prod(layout[0]) < SMALL:
        return None
    out = _overwritable(step, layout, values, workspace)
    if out is None:
        out = workspace.take(*layout, like=arguments["x"] if step.writer.over == ("x",) else None)
    if step.writer.elementwise and rounds and _alike(arguments, out):
        _in_pieces(step.writer, arguments, out)
        workspace.unrounded.discard(memory(out))
        return out
    settle(step, values, workspace)
    step.writer.write(**arguments, out=out)
    if rounds:
        workspace.unrounded.add(memory(out))
    return out


def settle(step: Step, values: Values, workspace: Workspace) -> None:
    """Round what the step takes and is not rounded yet."""
    for name in step.inputs():
        workspace.settle(values[name])


def _overwritable(step: Step, layout: Layout, values: Values, workspace: Workspace) -> Tensor | None:
    """The memory of an argument that nothing needs after the step."""
    for name in _candidates(step):
        value = values[name]
        fits = (tuple(value.shape), value.dtype) == layout
        if fits and name in step.unused and workspace.fills_alone(name, value):
            return value
    return None


def _candidates(step: Step) -> Iterator[str]:
    for argument in step.writer.over if step.writer else ():
        bound, _ = step.computed.get(argument, ((), None))
        yield from (value for value in bound if isinstance(value, str))


def _alike(arguments: dict[str, Any], out: Tensor) -> bool:
    """Whether every tensor has the shape and order in memory of `out`, which is dense."""
    order = out.shape, out.stride()
    tensors = (value for value in arguments.values() if isinstance(value, Tensor))
    return flat(out) is not None and all((value.shape, value.stride()) == order for value in tensors)


def _in_pieces(writer: Writer, arguments: dict[str, Any], out: Tensor) -> None:
    """Round the arguments to fp16, compute, round, and widen the result: piece by piece.

    PyTorch computes these operations of fp16 tensors in float32 and rounds the result.
    """
    pieces = {name: _pieces(value) for name, value in arguments.items() if isinstance(value, Tensor)}
    halves = {name: torch.empty(parts[0].numel(), dtype=torch.half) for name, parts in pieces.items()}
    for at, target in enumerate(_pieces(out)):
        now = {name: half[: target.numel()].copy_(pieces[name][at]) for name, half in halves.items()}
        result = next(iter(now.values()))
        writer.write(**arguments | now, out=result)
        target.copy_(result)


def _pieces(value: Tensor) -> tuple[Tensor, ...]:
    dense = flat(value)
    assert dense is not None, "checked by _alike"
    return torch.split(dense, PIECE)
