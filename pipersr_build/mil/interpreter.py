"""The reference interpreter: runs an ML program with PyTorch, on any operating system.

It follows the definitions of the operations in coremltools, not the arithmetic of any compute unit:
every operation computes and accumulates in float32. With the semantics `fp16` its result is then
rounded to the type that the program declares, so that a value of type fp16 is what an ideal fp16
machine would hold; with `fp32` values of type fp16 stay in float32, and only the weights are as
stored. Integers and booleans are exact in both. The semantics `ane` simulates what is published of the
Neural Engine's arithmetic (see `ane`).

Large values live in a workspace, which is kept from run to run; an observer sees values of their own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import features, passes, residual
from pipersr_build.mil.ane.engine import Engine
from pipersr_build.mil.graph import Function, Output, TensorType
from pipersr_build.mil.package import Feature, Interface, Package
from pipersr_build.mil.prepare import Preparation, Step, Values, check_known
from pipersr_build.mil.values import COMPUTE, SEMANTICS, Compute, Semantics, memory, settle
from pipersr_build.mil.workspace import Workspace

Observer = Callable[[Output, Tensor], None]


class Interpreter:
    """One function of a package, ready to run; may be used from several threads.

    Args:
        package: an opened package.
        function: the function's name; the package's default if None.
        semantics: `fp16` rounds values to their declared types, `fp32` keeps fp16 values in float32, `ane`
            simulates the Neural Engine, which is slow.
        compute: `exact`, or `bf16` for a preview: convolutions and what follows them in bf16, which is
            faster on processors that have it and agrees with neither semantics (see `preview`).
        engine: which parts of the Neural Engine `ane` simulates; all by default.

    Raises:
        InputError: semantics or compute of another name or that do not go together, no such function, an
            operation or feature that the interpreter does not know, or weights that are missing or damaged.
    """

    def __init__(
        self,
        package: Package,
        function: str | None = None,
        semantics: Semantics = "fp16",
        compute: Compute = "exact",
        engine: Engine | None = None,
    ) -> None:
        _check_choice("semantics", semantics, SEMANTICS)
        _check_choice("compute", compute, COMPUTE)
        if semantics == "ane" and compute != "exact":
            raise InputError(f"compute {compute!r} cannot simulate the engine", fix="say compute='exact'")
        self.package = package
        self.semantics = semantics
        self.compute = compute
        self._engine = (engine or Engine()) if semantics == "ane" else None
        self._idle: list[Workspace] = []  # one for every run that has been under way at the same time
        self.function, self.interface = _function(package, function)
        with _errors_in(package):
            check_known(self.function)
            self._prepare()

    def _prepare(self) -> None:
        preparation = Preparation(self.function, self.compute, self._engine)
        self._steps = preparation.steps()  # what an observer sees
        self._joined = self._steps if self._engine else residual.joined(self._steps, self._rounds)
        constants = preparation.constant_results()
        self._constants = {name: preparation.tensor(constant) for name, constant in constants.items()}
        self._types = self.function.types() | {name: c.type for name, c in constants.items()}
        for feature in self.interface.inputs:
            features.check(feature, self.function.inputs.get(feature.name))
        for feature in self.interface.outputs:
            produced = feature.name in self.function.body.results
            features.check(feature, self._types.get(feature.name) if produced else None)

    def _rounds(self, type_: TensorType) -> bool:
        """Whether a value of this type is rounded when it has been computed."""
        return self.compute == "exact" and self.semantics == "fp16" and type_.dtype == "fp16"

    def run(self, inputs: Mapping[str, np.ndarray], observe: Observer | None = None) -> dict[str, np.ndarray]:
        """Run the function on one set of inputs.

        Args:
            inputs: an array for every input, by name: tensors in the declared shape and dtype; images
                as uint8 arrays of height, width, 3 in RGB order, or height, width (see `features`).
            observe: called with every operation's output and its value, which must not be changed.

        Returns:
            An array for every output, by name; see `features.from_tensor` for images and rounding.

        Raises:
            InputError: an input that is missing, unknown, or of another shape or dtype than declared,
                or an operation that cannot be executed with the values it gets.
        """
        with torch.inference_mode(), _errors_in(self.package):
            values = self._values(inputs)
            with self._workspace() as workspace:
                for step in self._joined if observe is None else self._steps:
                    with step.context():
                        self._execute(step, values, workspace, observe)
                return {
                    feature.name: self._result(feature, values, workspace)
                    for feature in self.interface.outputs
                }

    def _result(self, feature: Feature, values: Values, workspace: Workspace) -> np.ndarray:
        workspace.settle(values[feature.name])
        return features.from_tensor(feature, values[feature.name], self.semantics)

    @contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """A workspace that no other run uses; taking it and giving it back are safe among threads."""
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = Workspace()
        try:
            yield workspace
        finally:
            workspace.clear()
            self._idle.append(workspace)

    def _values(self, inputs: Mapping[str, np.ndarray]) -> Values:
        wanted = [feature.name for feature in self.interface.inputs]
        if sorted(inputs) != sorted(wanted):
            raise InputError(
                f"inputs {', '.join(sorted(inputs)) or '(none)'} given where the package takes"
                f" {', '.join(sorted(wanted)) or '(none)'}",
                fix="give an array for every input, by its name",
            )
        values = dict(self._constants)
        for feature in self.interface.inputs:
            declared = self.function.inputs[feature.name]
            tensor = features.to_tensor(feature, declared, inputs[feature.name])
            values[feature.name] = settle(tensor, declared, self.semantics, None)
        return values

    def _execute(self, step: Step, values: Values, workspace: Workspace, observe: Observer | None) -> None:
        written = None
        if observe is None:
            types = [out.type for out in step.operation.outputs] + [self._types[n] for n in step.inputs()]
            rounded = {self._rounds(type_) for type_ in types}
            if len(rounded) == 1:  # what takes and gives other types is left to `_allocate`
                written = passes.write(step, values, workspace, rounds=rounded.pop())
        if written is None:
            self._allocate(step, values, workspace, observe)
        else:
            name = step.operation.outputs[0].name
            values[name] = written
            workspace.hold(name, written)
        workspace.release(values, step.unused)

    def _allocate(self, step: Step, values: Values, workspace: Workspace, observe: Observer | None) -> None:
        """Execute a step whose results are tensors of their own, or views of what it takes."""
        passes.settle(step, values, workspace)
        owners = step.memory | {memory(values[name]): self._types[name].dtype for name in step.inputs()}
        for out, result in zip(step.operation.outputs, step.execute(values), strict=True):
            value = settle(result, out.type, self.semantics, owners.get(memory(result)))
            values[out.name] = value
            workspace.hold(out.name, value)
            if observe is not None:
                observe(out, value)


def _check_choice(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise InputError(f"{what} {given!r} is not one of {', '.join(known)}")


@contextmanager
def _errors_in(package: Package) -> Iterator[None]:
    """Name the package in errors that name no file of it."""
    try:
        yield
    except InputError as error:
        if error.where is not None:
            raise
        raise InputError(error.what, where=package.path, fix=error.fix) from error


def _function(package: Package, name: str | None) -> tuple[Function, Interface]:
    name = package.default if name is None else name
    if name not in package.functions or name not in package.interfaces:
        raise InputError(
            f"the package has no function {name!r}",
            where=package.path,
            fix=f"choose one of {', '.join(package.functions)}",
        )
    return package.functions[name], package.interfaces[name]
