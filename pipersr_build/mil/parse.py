"""From Core ML's protobuf messages to the typed view of `graph`."""

from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.blob import WHOLE, BlobFile
from pipersr_build.mil.graph import Argument, Block, Constant, Function, Operation, Output, TensorType

Scope = dict[str, Constant]


class Parser:
    """Turns the functions of one program into `Function` objects.

    Args:
        model: the `.mlmodel` file of the package, named in errors.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._blobs: dict[str, BlobFile] = {}

    def function(self, name: str, message: Any) -> Function:
        """Parse one `MILSpec.Function`.

        Raises:
            InputError: the function has no body for its operation set, or a value of an unknown kind.
        """
        body = message.block_specializations.get(message.opset)
        if body is None:
            raise self._damaged(f"function {name!r} has no body for operation set {message.opset!r}")
        inputs = {value.name: self._type(value.type) for value in message.inputs}
        block = self._block(body, {})
        self._check(block, set(inputs))
        return Function(name, message.opset, inputs, block)

    def _check(self, block: Block, known: set[str]) -> None:
        """Refuse a block that uses a value before it is computed, or computes one name twice."""
        defined = known | {value.name for value in block.inputs}
        for op in block.operations:
            for argument in (a for bound in op.inputs.values() for a in bound):
                self._defined(argument, defined, f"operation {op.type} {op.name!r}")
            for nested in op.blocks:
                self._check(nested, defined)
            for out in op.outputs:
                if out.name in defined:
                    raise self._damaged(f"two values of the program are called {out.name!r}")
                defined.add(out.name)
        for argument in block.outputs:
            self._defined(argument, defined, "a result")

    def _defined(self, argument: Argument, defined: set[str], user: str) -> None:
        if isinstance(argument, str) and argument not in defined:
            raise self._damaged(f"{user} takes {argument!r}, which nothing before it computes")

    def _block(self, message: Any, outer: Scope) -> Block:
        constants = dict(outer)
        operations = []
        for op in message.operations:
            if op.type == "const":
                constants.update(self._const(op))
            else:
                operations.append(self._operation(op, constants))
        inputs = tuple(Output(value.name, self._type(value.type)) for value in message.inputs)
        outputs = tuple(constants.get(name, name) for name in message.outputs)
        return Block(inputs, tuple(operations), outputs, tuple(message.outputs))

    def _const(self, message: Any) -> Scope:
        if len(message.outputs) != 1 or "val" not in message.attributes:
            raise self._damaged("a constant has no name or no value")
        return {message.outputs[0].name: self._value(message.attributes["val"])}

    def _operation(self, message: Any, constants: Scope) -> Operation:
        def resolve(binding: Any) -> Argument:
            if binding.WhichOneof("binding") == "value":
                return self._value(binding.value)
            name: str = binding.name
            return constants.get(name, name)

        return Operation(
            type=message.type,
            inputs={k: tuple(resolve(b) for b in v.arguments) for k, v in message.inputs.items()},
            outputs=tuple(Output(value.name, self._type(value.type)) for value in message.outputs),
            attributes={k: self._value(v) for k, v in message.attributes.items()},
            blocks=tuple(self._block(block, constants) for block in message.blocks),
        )

    def _type(self, message: Any) -> TensorType:
        kind = message.WhichOneof("type")
        if kind == "stateType":
            return self._type(message.stateType.wrappedType)
        if kind != "tensorType":  # lists, tuples and dictionaries occur only in non-tensor code
            return TensorType(str(kind), ())
        tensor = message.tensorType
        shape = tuple(
            d.constant.size if d.WhichOneof("dimension") == "constant" else None for d in tensor.dimensions
        )
        return TensorType(dtypes.NAMES.get(tensor.dataType, f"type{tensor.dataType}"), shape)

    def _value(self, message: Any) -> Constant:
        type_ = self._type(message.type)
        if message.WhichOneof("value") == "blobFileValue":
            blob = self._blob(message.blobFileValue.fileName)
            return Constant(type_, blob=blob, offset=message.blobFileValue.offset)
        return Constant(type_, immediate=self._immediate(message.immediateValue, type_))

    def _blob(self, name: str) -> BlobFile:
        if name not in self._blobs:
            path = inside(self._model.parent, name.removeprefix("@model_path/"))
            if path is None:
                raise self._damaged(f"the program's weight file {name!r} lies outside the package")
            self._blobs[name] = BlobFile(path)
        return self._blobs[name]

    def _immediate(self, message: Any, type_: TensorType) -> Any:
        if message.WhichOneof("value") != "tensor":
            if type_.dtype in dtypes.NUMPY or type_.dtype == "string":
                raise self._damaged(f"a constant of type {type_} has no value")
            return None  # a list, tuple or dictionary: no tensor operation takes one
        try:
            values = _elements(message.tensor, type_)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise self._damaged(f"a constant of type {type_} cannot be read: {error}") from error
        if values.size != type_.count:
            raise self._damaged(f"a constant of type {type_} has {values.size} elements")
        return values

    def _damaged(self, what: str) -> InputError:
        return InputError(what, where=self._model, fix=WHOLE)


def _elements(tensor: Any, type_: TensorType) -> np.ndarray:
    """The elements of an immediate tensor, flat."""
    field = tensor.WhichOneof("value")
    if field is None:
        return np.zeros(0)
    values = getattr(tensor, field).values
    if field == "bytes":
        return dtypes.decode(values, type_.dtype, type_.count)
    kind = np.dtype(object) if field == "strings" else dtypes.NUMPY.get(type_.dtype)
    return np.array(list(values), kind)  # of a list, because a message's own numbers would wrap silently


def inside(folder: Path, relative: str) -> Path | None:
    """The path `relative` in `folder`, or None if it leads out of it or is no path at all."""
    try:
        root = folder.resolve()
        path = (root / relative).resolve()
        path.exists()  # a name too long shows itself only here
    except (ValueError, OSError, RuntimeError):  # a NUL byte, a name too long, a loop of links
        return None
    return path if path.is_relative_to(root) else None
