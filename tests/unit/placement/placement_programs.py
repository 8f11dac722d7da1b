"""Small MIL programs, written out, for the tests of placement."""

from typing import Any

import numpy as np

from pipersr_build.mil.graph import Argument, Block, Constant, Function, Operation, Output, Shape, TensorType
from pipersr_build.placement.quantities import Graph, Subject

ACTIVATION: Shape = (1, 64, 32, 32)


def tensor(*shape: int | None, dtype: str = "fp16") -> TensorType:
    return TensorType(dtype, shape)


def const(value: Any, dtype: str | None = None) -> Constant:
    """A constant of its own value; the element type follows from it unless given."""
    kinds: dict[type, str] = {bool: "bool", int: "int32", float: "fp16", str: "string"}
    array = np.array(value, dtype=object if isinstance(value, str) else None)
    flat = array.reshape(-1).tolist()
    return Constant(TensorType(dtype or kinds[type(flat[0])], array.shape), immediate=array)


def weight(*shape: int, dtype: str = "fp16") -> Constant:
    """A constant of which only the type matters."""
    return Constant(TensorType(dtype, shape), immediate=np.zeros(1))


def operation(type_: str, result: TensorType | None = None, name: str = "y", **inputs: Any) -> Operation:
    """An operation with one result (like an activation unless given)."""
    bound = {key: value if isinstance(value, tuple) else (value,) for key, value in inputs.items()}
    return Operation(type_, bound, (Output(name, result or tensor(*ACTIVATION)),))


def function(operations: list[Operation], **inputs: TensorType) -> Function:
    """A function that returns what its last operation computes."""
    outputs: tuple[Argument, ...] = (operations[-1].name,) if operations else ()
    return Function("main", "CoreML8", inputs, Block((), tuple(operations), outputs))


def one(type_: str, result: TensorType | None = None, x: TensorType | None = None, **inputs: Any) -> Function:
    """A function of one operation on `x`; inputs that are types become further function inputs."""
    given = {"x": x or tensor(*ACTIVATION)}
    given |= {key: value for key, value in inputs.items() if isinstance(value, TensorType)}
    bound = {key: key if key in given else value for key, value in inputs.items()}
    return function([operation(type_, result, x="x", **bound)], **given)


def subject(program: Function) -> Subject:
    """Its last operation, as conditions see it."""
    return Subject(program.operations[-1], Graph(program))


def conv(kernel: tuple[int, ...] = (3, 3), *, x: TensorType | None = None, **more: Any) -> Function:
    """A convolution of 64 channels to 64 with constant weights."""
    groups = more.pop("groups", 1)
    numbers = {name: const(value) for name, value in more.items()}
    return one("conv", x=x, weight=weight(64, 64 // groups, *kernel), groups=const(groups), **numbers)


def super_resolution(scale: int = 2, dtype: str = "fp16") -> Function:
    """conv, batch_norm, silu, add, conv, pixel_shuffle with a cast on either side."""
    hidden, tail = tensor(1, 64, 128, 128, dtype=dtype), tensor(1, 3 * scale**2, 128, 128, dtype=dtype)
    large = (1, 3, 128 * scale, 128 * scale)
    head = {"weight": weight(64, 3, 3, 3), "bias": weight(64), "strides": const([1, 1])}
    last = {"weight": weight(3 * scale**2, 64, 3, 3), "bias": weight(3 * scale**2)}
    norm = {"mean": weight(64), "variance": weight(64)}
    operations = [
        operation("cast", tensor(1, 3, 128, 128, dtype=dtype), "in16", x="x", dtype=const(dtype)),
        operation("conv", hidden, "head", x="in16", **head),
        operation("batch_norm", hidden, "norm", x="head", **norm),
        operation("silu", hidden, "act", x="norm"),
        operation("add", hidden, "sum", x="act", y="head"),
        operation("conv", tail, "tail", x="sum", **last),
        operation("pixel_shuffle", tensor(*large, dtype=dtype), "big", x="tail", upscale_factor=const(scale)),
        operation("cast", tensor(*large, dtype="fp32"), "out", x="big", dtype=const("fp32")),
    ]
    return function(operations, x=tensor(1, 3, 128, 128, dtype="fp32"))
