"""The reference interpreter: runs an ML program with PyTorch, on any operating system.

It follows the definitions of the operations in coremltools, not the arithmetic of any compute unit:
every operation computes and accumulates in float32. With the semantics `fp16` its result is then
rounded to the type that the program declares, so that a value of type fp16 is what an ideal fp16
machine would hold; with `fp32` values of type fp16 stay in float32, and only the weights are as
stored. Integers and booleans are exact in both.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import features
from pipersr_build.mil.graph import Function, Output
from pipersr_build.mil.package import Interface, Package
from pipersr_build.mil.prepare import Preparation, Step, Values, check_known
from pipersr_build.mil.values import SEMANTICS, Semantics, memory, settle

Observer = Callable[[Output, Tensor], None]


class Interpreter:
    """One function of a package, ready to run; may be used from several threads.

    Args:
        package: an opened package.
        function: the function's name; the package's default if None.
        semantics: `fp16` rounds values to their declared types, `fp32` keeps fp16 values in float32.

    Raises:
        InputError: no such function, an operation or feature that the interpreter does not know, or
            weights that are missing or damaged.
    """

    def __init__(self, package: Package, function: str | None = None, semantics: Semantics = "fp16") -> None:
        if semantics not in SEMANTICS:
            raise InputError(f"semantics {semantics!r} is not one of {', '.join(SEMANTICS)}")
        self.package = package
        self.semantics = semantics
        self.function, self.interface = _function(package, function)
        with _errors_in(package):
            check_known(self.function)
            self._prepare()

    def _prepare(self) -> None:
        preparation = Preparation(self.function)
        self._steps = preparation.steps()
        constants = preparation.constant_results()
        self._constants = {name: preparation.tensor(constant) for name, constant in constants.items()}
        self._types = self.function.types() | {name: c.type for name, c in constants.items()}
        for feature in self.interface.inputs:
            features.check(feature, self.function.inputs.get(feature.name))
        for feature in self.interface.outputs:
            produced = feature.name in self.function.body.results
            features.check(feature, self._types.get(feature.name) if produced else None)

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
            for step in self._steps:
                with step.context():
                    self._execute(step, values, observe)
            return {
                feature.name: features.from_tensor(feature, values[feature.name], self.semantics)
                for feature in self.interface.outputs
            }

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

    def _execute(self, step: Step, values: Values, observe: Observer | None) -> None:
        results = step.execute(values)
        owners = step.memory | {memory(values[name]): self._types[name].dtype for name in step.inputs()}
        for out, result in zip(step.operation.outputs, results, strict=True):
            value = settle(result, out.type, self.semantics, owners.get(memory(result)))
            values[out.name] = value
            if observe is not None:
                observe(out, value)
        for name in step.unused:
            values.pop(name, None)


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
