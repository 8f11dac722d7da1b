"""A typed view of a MIL program: functions, operations, values. Built from the protobuf, immutable.

`const` operations do not appear among the operations: their values are resolved into the arguments
that use them, as in the operation counts of this project's documents.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.blob import BlobFile

Shape = tuple[int | None, ...]  # None: an extent that is not known before run time


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type (`fp16`, `fp32`, `int32`, `bool`, `string`, …) and shape of a value."""

    dtype: str
    shape: Shape

    @property
    def static(self) -> bool:
        """Whether every extent is known."""
        return None not in self.shape

    @property
    def extents(self) -> tuple[int, ...]:
        """The shape with 0 for every unknown extent."""
        return tuple(n or 0 for n in self.shape)

    @property
    def count(self) -> int:
        """How many elements there are; 0 if an extent is unknown."""
        return math.prod(self.extents)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if n is None else str(n) for n in self.shape)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A compile-time value, either in the program or in the weight file (then read on demand).

    Constants are compared and hashed as objects: arrays have neither a hash nor one truth value.
    """

    type: TensorType
    immediate: Any = None
    blob: BlobFile | None = None
    offset: int = 0

    def numpy(self) -> np.ndarray:
        """The value as an array of its declared shape (rank 0 for scalars); strings as object arrays.

        Raises:
            InputError: the weight file is missing, cut off or damaged, or the type cannot be read.
        """
        if self.blob is None:
            return np.asarray(self.immediate).reshape(self.type.extents)
        self.check()
        return self.blob.read(self.offset, self.type.dtype, self.type.count).reshape(self.type.extents)

    def check(self) -> None:
        """Check, without reading the value, that it can be read.

        Raises:
            InputError: the weight file is missing, cut off or damaged, or the type cannot be read.
        """
        if self.blob is None:
            return
        if self.type.dtype not in dtypes.NUMPY and self.type.dtype not in dtypes.SUB_BYTE_BITS:
            raise InputError(
                f"weights of type {self.type.dtype} cannot be read",
                where=self.blob.path,
                fix="export the package with 16- or 32-bit float, integer or palettised weights",
            )
        self.blob.check(self.offset, self.type.dtype, self.type.count)

    def scalar(self) -> Any:
        """The value as a Python scalar (bool, int, float or str).

        Raises:
            ValueError: it has more than one element.
        """
        return self.numpy().item()

    def tolist(self) -> list[Any]:
        """The value's elements, flattened, as a Python list."""
        flat: list[Any] = self.numpy().reshape(-1).tolist()
        return flat


Argument = str | Constant  # the name of a value that the program computes, or a constant


@dataclass(frozen=True, slots=True)
class Output:
    """A named result of an operation."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Block:
    """The operations of a function or of a nested region (`cond`, `while_loop`).

    `output_names` names the outputs in order; without it only those are named that are computed.
    """

    inputs: tuple[Output, ...]
    operations: "tuple[Operation, ...]"
    outputs: tuple[Argument, ...]
    output_names: tuple[str, ...] = ()

    @property
    def results(self) -> dict[str, Argument]:
        """The outputs by name."""
        if self.output_names:
            return dict(zip(self.output_names, self.outputs, strict=True))
        return {argument: argument for argument in self.outputs if isinstance(argument, str)}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; each named input holds one argument, or several (`concat`'s `values`)."""

    type: str
    inputs: dict[str, tuple[Argument, ...]]
    outputs: tuple[Output, ...]
    attributes: dict[str, Constant] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    @property
    def name(self) -> str:
        """The first output's name: unique in a function, and the key Core ML's compute plan uses."""
        return self.outputs[0].name if self.outputs else self.type

    def argument(self, name: str) -> Argument | None:
        """The single argument bound to input `name`, or None if the input is absent."""
        bound = self.inputs.get(name)
        return bound[0] if bound else None

    def constant(self, name: str) -> Constant | None:
        """The argument of input `name` if it is a constant, else None."""
        bound = self.argument(name)
        return bound if isinstance(bound, Constant) else None


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a program: its inputs, its body and its operation set (`CoreML6`, …)."""

    name: str
    opset: str
    inputs: dict[str, TensorType]
    body: Block

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The top-level operations in program order."""
        return self.body.operations

    def walk(self) -> Iterator[Operation]:
        """Every operation in program order, nested blocks included."""
        yield from _walk(self.body)

    def types(self) -> dict[str, TensorType]:
        """The type of every value that the function takes or computes, by name."""
        types = dict(self.inputs)
        for op in self.walk():
            types.update({out.name: out.type for out in op.outputs})
            for block in op.blocks:
                types.update({out.name: out.type for out in block.inputs})
        return types


def _walk(block: Block) -> Iterator[Operation]:
    for op in block.operations:
        yield op
        for nested in op.blocks:
            yield from _walk(nested)
