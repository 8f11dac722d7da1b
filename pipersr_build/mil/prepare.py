"""From the operations of a function to steps that can be executed: constants ready, arguments bound."""

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes, preview
from pipersr_build.mil.ane.engine import Engine
from pipersr_build.mil.graph import Argument, Constant, Function, Operation, TensorType
from pipersr_build.mil.ops import TABLE, constexpr, convolution, writing
from pipersr_build.mil.ops.arguments import Bools, Ints, Tensors
from pipersr_build.mil.ops.arguments import Function as OpFunction
from pipersr_build.mil.values import HELD, Compute, held, memory

Values = dict[str, Tensor]  # what has been computed so far, by name
Scope = dict[str, Constant]  # what weight decompression has computed, by name

Form = Callable[[list[Any]], Any]  # makes an argument of the tensors that an input binds

# What the annotation of an operation's parameter asks for -> its form.
_FORMS: dict[Any, Form] = {
    Tensor: lambda bound: _single(bound),
    Tensors: tuple,
    **{
        kind: lambda bound: [n for value in bound for n in value.reshape(-1).tolist()]
        for kind in (Ints, Bools)
    },
    **{kind: lambda bound: _single(bound).item() for kind in (int, float, bool, str)},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, ready to be executed.

    Args:
        operation: what the program says.
        function: what computes it.
        fixed: arguments that are the same in every run.
        computed: for every other argument, the values it binds and how to make it of them.
        memory: the memory of the constants among the arguments, and their types.
        unused: the values that nothing needs after this step.
        writer: how it writes its result into given memory, if it can.
    """

    operation: Operation
    function: OpFunction
    fixed: dict[str, Any]
    computed: dict[str, tuple[tuple[str | Tensor, ...], Form]]
    memory: dict[int, str]
    unused: tuple[str, ...]
    writer: writing.Writer | None = None

    def context(self) -> AbstractContextManager[None]:
        """Reports a failure inside it as the operation's."""
        return failures_of(self.operation)

    def arguments(self, values: Values) -> dict[str, Any]:
        """What the operation's function takes."""
        return self.fixed | {
            name: form([values[value] if isinstance(value, str) else value for value in bound])
            for name, (bound, form) in self.computed.items()
        }

    def execute(self, values: Values) -> tuple[Tensor, ...]:
        """The results of the operation, as its function returns them."""
        results = self.function(**self.arguments(values))
        return results if isinstance(results, tuple) else (results,)

    def constants(self) -> Iterator[Tensor]:
        """The tensors that the step keeps."""
        bound = (value for values, _ in self.computed.values() for value in values)
        fixed = (part for value in self.fixed.values() for part in _parts(value))
        yield from (value for value in (*bound, *fixed) if isinstance(value, Tensor))

    def inputs(self) -> Iterator[str]:
        """The names of the computed values that the operation takes."""
        for bound, _ in self.computed.values():
            yield from (value for value in bound if isinstance(value, str))


def unknown_operations(function: Function) -> dict[str, list[str]]:
    """The operation types that the interpreter does not know, each with the names of its operations."""
    unknown: dict[str, list[str]] = {}
    for op in function.walk():
        if op.type not in TABLE and op.type not in constexpr.TABLE:
            unknown.setdefault(op.type, []).append(op.name)
    return unknown


def check_known(function: Function) -> None:
    """Check that every operation, those of nested blocks included, can be executed.

    Raises:
        InputError: some cannot; lists every unknown type with an operation of it.
    """
    unknown = unknown_operations(function)
    if unknown:
        listed = ", ".join(f"{kind} ({len(names)}, first {names[0]!r})" for kind, names in unknown.items())
        raise InputError(
            f"the interpreter does not know these operations of function {function.name!r}: {listed}",
            fix="run the package with Core ML on a Mac, or convert the model without these operations",
        )


class Preparation:
    """Prepares one function; each constant becomes a tensor once, however often it is used."""

    def __init__(self, function: Function, compute: Compute = "exact", engine: Engine | None = None) -> None:
        self._function = function
        self._compute = compute
        self._engine = engine
        self._decompressed: Scope = {}
        self._tensors: dict[int, tuple[Constant, Tensor]] = {}  # the constant keeps its id from reuse

    def steps(self) -> list[Step]:
        """The steps in program order.

        Raises:
            InputError: an argument that the operation does not have, lacks or cannot be read.
        """
        operations = []
        defined = set(self._function.inputs)
        for op in self._function.operations:
            with failures_of(op):
                _check_defined(op, defined)
                if op.type in constexpr.TABLE:
                    self._decompress(op)
                else:
                    operations.append(op)
        unused = self._unused(operations)
        return [self._step(op, unused.get(op.name, ())) for op in operations]

    def constant_results(self) -> dict[str, Constant]:
        """The results of the function that are constants, by name."""
        results = self._function.body.results.items()
        return {name: constant for name, bound in results if (constant := self.constant(bound)) is not None}

    def constant(self, argument: Argument) -> Constant | None:
        """The constant that `argument` is or names, if it is one."""
        return argument if isinstance(argument, Constant) else self._decompressed.get(argument)

    def tensor(self, constant: Constant) -> Tensor:
        """A constant as the tensor that holds it."""
        if id(constant) not in self._tensors:
            self._tensors[id(constant)] = (constant, _tensor(constant))
        return self._tensors[id(constant)][1]

    def _decompress(self, op: Operation) -> None:
        function = constexpr.TABLE[op.type]
        bound = {name: value for name, value in op.attributes.items() if name != "name"}
        for name in op.inputs:
            constant = self.constant(op.inputs[name][0])
            if constant is None:
                raise ValueError(f"input {name!r} is not a constant")
            bound[name] = constant
        _check_names(function, bound)
        results = function(**{name: constant.numpy() for name, constant in bound.items()})
        results = results if isinstance(results, tuple) else (results,)
        for out, value in zip(op.outputs, results, strict=True):
            self._decompressed[out.name] = Constant(out.type, immediate=_rounded(value, out.type))

    def _step(self, op: Operation, unused: Sequence[str]) -> Step:
        with failures_of(op):
            forms = _check_names(TABLE[op.type], op.inputs)
            fixed, computed = {}, {}
            owners: dict[int, str] = {}
            for name, arguments in op.inputs.items():
                bound = [self._bound(argument, owners) for argument in arguments]
                if any(isinstance(value, str) for value in bound):
                    computed[name] = (tuple(bound), forms[name])
                else:
                    fixed[name] = forms[name](bound)
            step = self._fastest(Step(op, TABLE[op.type], fixed, computed, owners, tuple(unused)))
            alive = {memory(value) for value in step.constants()}
            return replace(step, memory={at: dtype for at, dtype in owners.items() if at in alive})

    def _fastest(self, step: Step) -> Step:
        """The step with its weights in the order, and its function in the arithmetic, that is fastest.

        Where an engine is simulated, with the engine's function instead, and never written in place.
        """
        kind = step.operation.type
        if self._engine is not None:
            return replace(step, function=self._engine.function(kind, step.function))
        fixed, function = step.fixed, step.function
        if kind == "conv":
            dtype = torch.bfloat16 if self._compute == "bf16" else torch.float32
            fixed = convolution.prepared(fixed, dtype)
        elif self._compute == "bf16":
            function = preview.taking_bf16(kind, function)
        return replace(step, fixed=fixed, function=function, writer=writing.TABLE.get(kind))

    def _bound(self, argument: Argument, owners: dict[int, str]) -> Any:
        """A value's name, or a constant as a tensor (an array if it is a string)."""
        constant = self.constant(argument)
        if constant is None:
            return argument
        if constant.type.dtype == "string":
            return constant.numpy()
        tensor = self.tensor(constant)
        owners[memory(tensor)] = constant.type.dtype
        return tensor

    def _unused(self, operations: list[Operation]) -> dict[str, list[str]]:
        """For every operation, by name, the values to drop after it: all but the function's results."""
        last: dict[str, str] = {}
        for op in operations:
            last.update({out.name: op.name for out in op.outputs})
            for arguments in op.inputs.values():
                last.update({name: op.name for name in arguments if isinstance(name, str)})
        unused: dict[str, list[str]] = {}
        for name in last.keys() - self._function.body.results.keys():
            unused.setdefault(last[name], []).append(name)
        return unused


@contextmanager
def failures_of(op: Operation) -> Iterator[None]:
    """Report whatever fails inside as the operation's failure.

    Raises:
        InputError: it cannot be done with these arguments.
    """
    try:
        yield
    except InputError as error:
        what = f"{error.what}; needed by operation {op.type} {op.name!r}"
        raise InputError(what, where=error.where, fix=error.fix) from error
    except (LookupError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError) as error:
        raise InputError(
            f"operation {op.type} {op.name!r} cannot be executed: {error}",
            fix="check that the package is undamaged; run it with Core ML on a Mac if it is",
        ) from error


def _check_defined(op: Operation, defined: set[str]) -> None:
    """Check that `op` takes only values that exist before it; add its own to them."""
    for arguments in op.inputs.values():
        for name in arguments:
            if isinstance(name, str) and name not in defined:
                raise ValueError(f"it takes {name!r}, which nothing before it computes")
    defined.update(out.name for out in op.outputs)


def _check_names(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Form]:
    """The form of each parameter of `function`, after checking that it can be called with `given`."""
    parameters = inspect.signature(function).parameters
    if extra := [name for name in given if name not in parameters]:
        raise ValueError(f"argument {extra[0]!r} is not known")
    needed = [p.name for p in parameters.values() if p.default is inspect.Parameter.empty]
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"argument {missing[0]!r} is missing")
    return {name: _form(parameter.annotation) for name, parameter in parameters.items()}


def _form(annotation: Any) -> Form:
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not types.NoneType)
    return _FORMS.get(annotation, _single)


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _single(bound: list[Any]) -> Any:
    if len(bound) != 1:
        raise ValueError(f"one value is needed where {len(bound)} are given")
    return bound[0]


def _tensor(constant: Constant) -> Tensor:
    if constant.type.dtype not in HELD:
        raise ValueError(f"a constant of type {constant.type} cannot be computed with")
    return held(constant.numpy(), constant.type.dtype)


def _rounded(value: np.ndarray, type_: TensorType) -> np.ndarray:
    """A decompressed value in its declared type; sub-byte types stay as they are read."""
    if type_.static and value.shape != type_.extents:
        raise ValueError(f"the result has shape {value.shape} where the program declares {type_}")
    return value.astype(dtypes.NUMPY[type_.dtype]) if type_.dtype in dtypes.NUMPY else value
