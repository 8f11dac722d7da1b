"""From Core ML's protobuf messages to the typed view of `graph`."""

from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.blob import BlobFile
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
            raise InputError(
                f"function {name!r} has no body for operation set {message.opset!r}", where=self._model
            )
        inputs = {value.name: self._type(value.type) for value in message.inputs}
        return Function(name, message.opset, inputs, self._block(body, {}))

    def _block(self, message: Any, outer: Scope) -> Block:
        constants = dict(outer)
        operations = []
        for op in message.operations:
            if op.type == "const":
                constants[op.outputs[0].name] = self._value(op.attributes["val"])
            else:
                operations.append(self._operation(op, constants))
        inputs = tuple(Output(value.name, self._type(value.type)) for value in message.inputs)
        outputs = tuple(constants.get(name, name) for name in message.outputs)
        return Block(inputs, tuple(operations), outputs)

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
            relative = name.removeprefix("@model_path/")
            root = self._model.parent.resolve()
            path = (root / relative).resolve()
            if not path.is_relative_to(root):
                raise InputError(
                    f"the program's weight file {name!r} lies outside the package", where=self._model
                )
            self._blobs[name] = BlobFile(path)
        return self._blobs[name]

    def _immediate(self, message: Any, type_: TensorType) -> Any:
        if message.WhichOneof("value") != "tensor":
            return None  # a list, tuple or dictionary: no tensor operation takes one
        tensor = message.tensor
        field = tensor.WhichOneof("value")
        if field is None:
            return np.zeros(0)
        values = getattr(tensor, field).values
        if field == "bytes":
            count = int(np.prod([n or 0 for n in type_.shape], dtype=np.int64))
            try:
                return dtypes.decode(values, type_.dtype, count)
            except (KeyError, ValueError) as error:
                raise InputError(
                    f"a constant of type {type_} cannot be read: {error}", where=self._model
                ) from error
        if field == "strings":
            return np.array(list(values), dtype=object)
        return np.array(values, dtype=dtypes.NUMPY.get(type_.dtype))
