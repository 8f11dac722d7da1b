"""How far a package's values stay from what the engine cannot do: where its sums end, where its tables do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipersr_build.mil import features
from pipersr_build.mil.ane.engine import SUMS, TABLES
from pipersr_build.mil.ane.fixed_point import LIMIT
from pipersr_build.mil.graph import Output
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.ops import TABLE
from pipersr_build.mil.prepare import Preparation, Step


@dataclass
class Sum:
    """One operation that adds products, over everything that was run.

    Args:
        kind: its MIL type.
        largest: the largest absolute result.
        partial: the largest sum of absolute products and bias: what no partial sum in any order exceeds.
    """

    kind: str
    largest: float = 0.0
    partial: float = 0.0

    @property
    def margin(self) -> float:
        """How many times larger the values could be before a sum could end."""
        return LIMIT / self.partial if self.partial else float("inf")

    def see(self, step: Step, arguments: dict[str, Any], value: Tensor) -> None:
        """Take one run into account."""
        self.largest = max(self.largest, float(value.abs().max()))
        sizes = TABLE[step.operation.type](**{name: _size(value) for name, value in arguments.items()})
        assert isinstance(sizes, Tensor), "matrix products and convolutions have one result"
        self.partial = max(self.partial, float(sizes.max()))


@dataclass
class Activation:
    """One activation function that the engine takes from a table, over everything that was run.

    Args:
        kind: its MIL type.
        low, high: of what it was given.
        worst: the largest error of the table on it.
        squares: the sum of the squares of those errors.
        count: of values.
    """

    kind: str
    low: float = float("inf")
    high: float = float("-inf")
    worst: float = 0.0
    squares: float = 0.0
    count: int = 0

    @property
    def rms(self) -> float:
        """The root of the mean square error of the table on what it was given."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0

    def see(self, step: Step, arguments: dict[str, Any], value: Tensor) -> None:  # noqa: ARG002
        """Take one run into account."""
        given, kind = arguments["x"], step.operation.type
        exact = TABLE[kind](**arguments)
        error = (TABLES[kind](**arguments) - exact).abs().double()  # type: ignore[operator]
        self.low, self.high = min(self.low, float(given.min())), max(self.high, float(given.max()))
        self.worst = max(self.worst, float(error.max()))
        self.squares, self.count = self.squares + float(error.square().sum()), self.count + error.numel()


class Margins:
    """Runs an interpreter and keeps what its operations came to.

    Args:
        interpreter: of any exact semantics.

    Attributes:
        layers: by the name of the operation's result, in program order.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._values: dict[str, Tensor] = {}
        self._steps = {s.operation.outputs[0].name: s for s in Preparation(interpreter.function).steps()}
        self.layers: dict[str, Sum | Activation] = {}
        for name, step in self._steps.items():
            if step.operation.type in SUMS:
                self.layers[name] = Sum(step.operation.type)
            elif step.operation.type in TABLES:
                self.layers[name] = Activation(step.operation.type)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`Interpreter.run`, watched; one run at a time."""
        declared = self._interpreter.function.inputs
        self._values = {
            feature.name: features.to_tensor(feature, declared[feature.name], inputs[feature.name])
            for feature in self._interpreter.interface.inputs
            if feature.name in inputs
        }
        try:
            return self._interpreter.run(inputs, self._see)
        finally:
            self._values = {}

    def _see(self, out: Output, value: Tensor) -> None:
        self._values[out.name] = value
        step = self._steps.get(out.name)
        if step is None:  # a further result of an operation that has several
            return
        if (layer := self.layers.get(out.name)) is not None:
            layer.see(step, step.arguments(self._values), value)
        for name in step.unused:
            self._values.pop(name, None)


def _size(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_size(part) for part in value)
    return value.abs() if isinstance(value, Tensor) and value.dtype is torch.float32 else value
