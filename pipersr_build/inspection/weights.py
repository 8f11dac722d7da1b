"""Statistics of a function's weights."""

from collections.abc import Iterator

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.inspection.record import WeightStatistics
from pipersr_build.mil.graph import Argument, Constant, Function, Operation
from pipersr_build.mil.ops import constexpr
from pipersr_build.mil.prepare import Preparation

_NORMAL = 2.0**-14  # the least normal number of fp16
_FLOATS = ("fp16", "fp32", "fp64")


class Constants:
    """The constants of a function, those among them that are decompressed when it is loaded.

    Attributes:
        problem: why compressed ones cannot be had; empty where nothing is in the way.
    """

    def __init__(self, function: Function) -> None:
        self._preparation, self.problem = Preparation(function), ""
        self.made_by = {
            out.name: op.type for op in function.walk() if op.type in constexpr.TABLE for out in op.outputs
        }
        try:
            self._preparation.steps()
        except InputError as error:
            self.problem = error.what

    def of(self, argument: Argument | None) -> np.ndarray | None:
        """The value of an argument in its own type, if it is a constant."""
        found = None if argument is None else self._preparation.constant(argument)
        return None if found is None else found.numpy()

    def stored(self, argument: Argument) -> str:
        """How a constant lies in the package."""
        return argument.type.dtype if isinstance(argument, Constant) else self.made_by[argument]


def statistics(function: Function, constants: Constants) -> list[WeightStatistics]:
    """Of every floating-point constant tensor that an operation of `function` takes, in program order.

    Raises:
        InputError: the weight file is missing, cut off or damaged.
    """
    operations = (op for op in function.walk() if op.type not in constexpr.TABLE)
    return [found for op in operations for found in _of(op, constants)]


def _of(op: Operation, constants: Constants) -> Iterator[WeightStatistics]:
    for name, bound in op.inputs.items():
        for argument in bound:
            if isinstance(argument, Constant) and argument.type.dtype not in _FLOATS:
                continue
            value = constants.of(argument)
            if value is not None and value.ndim and value.dtype.kind == "f":
                yield _measure(op, name, argument, constants.stored(argument), value)


def _measure(
    op: Operation, name: str, argument: Argument, stored: str, value: np.ndarray
) -> WeightStatistics:
    wide, size = value.astype(np.float64), np.abs(value.astype(np.float64))
    shape = ", ".join(map(str, value.shape))
    kind = argument.type.dtype if isinstance(argument, Constant) else f"fp{8 * value.dtype.itemsize}"
    return WeightStatistics(
        operation=op.name,
        argument=name,
        type=f"{kind}[{shape}]",
        stored=stored,
        elements=value.size,
        least=float(wide.min()),
        greatest=float(wide.max()),
        mean=float(wide.mean()),
        deviation=float(wide.std()),
        zeros=int((size == 0).sum()),
        subnormal=int(((size > 0) & (size < _NORMAL)).sum()),
    )
