"""Small MIL programs and packages, written out, for the tests of the interpreter."""

from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build.mil.graph import Argument, Block, Constant, Function, Operation, Output, TensorType
from pipersr_build.mil.package import Feature, Interface, Package

KINDS = {"float16": "fp16", "float32": "fp32", "object": "string"}


def const(value: Any, kind: Any = None) -> Constant:
    array = np.asarray(value, dtype=object if isinstance(value, str) else kind)
    if array.dtype == np.float64:
        array = array.astype(np.float16)
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    return Constant(TensorType(KINDS.get(str(array.dtype), str(array.dtype)), array.shape), immediate=array)


def tensor(dtype: str, *shape: int | None) -> TensorType:
    return TensorType(dtype, shape)


def op(type_: str, name: str, result: TensorType, **inputs: Any) -> Operation:
    """An operation with one result; arguments are names, constants or Python values."""
    bound: dict[str, tuple[Argument, ...]] = {}
    for key, value in inputs.items():
        several = value if isinstance(value, tuple) else (value,)
        keep = key in ("x", "y", "values", "input")
        bound[key] = tuple(
            v if isinstance(v, Constant) or (keep and isinstance(v, str)) else const(v) for v in several
        )
    return Operation(type_, bound, (Output(name, result),))


def package(
    operations: list[Operation],
    inputs: list[tuple[Feature, TensorType]],
    outputs: list[Feature],
    returned: tuple[Argument, ...] | None = None,
) -> Package:
    """A package with the one function `main`, which returns the operations of the outputs' names."""
    names = tuple(feature.name for feature in outputs)
    body = Block((), tuple(operations), returned or names, names)
    main = Function("main", "CoreML8", {feature.name: type_ for feature, type_ in inputs}, body)
    interface = Interface(tuple(feature for feature, _ in inputs), tuple(outputs))
    return Package(Path("made.mlpackage"), None, {"main": main}, {"main": interface}, "main")


def one(type_: str, given: TensorType, result: TensorType, **arguments: Any) -> Package:
    """A package of one operation from input `x` to output `y`, both tensors."""
    taken = Feature("x", "tensor", given.dtype, given.shape)
    returned = Feature("y", "tensor", result.dtype, result.shape)
    return package([op(type_, "y", result, x="x", **arguments)], [(taken, given)], [returned])
