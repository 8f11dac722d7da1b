"""The ranges that a function's values have on real pictures, seen while the interpreter runs it."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from pipersr_build.inspection.ranges import Range
from pipersr_build.mil.graph import Output
from pipersr_build.mil.interpreter import Interpreter, Observer
from pipersr_build.mil.package import Package
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.validation.parity import fit, input_size, tensor_of


def seen(package: Package, pictures: Iterable[tuple[str, np.ndarray]]) -> dict[str, Range]:
    """Each value's range over all pictures, by name; per channel where it is B, C, H, W.

    Raises:
        InputError: see `watch`.
    """
    found: dict[str, Range] = {}
    watch(package, pictures, lambda out, value: widen(found, out.name, value))
    return found


def watch(package: Package, pictures: Iterable[tuple[str, np.ndarray]], observe: Observer) -> None:
    """Show `observe` every floating-point value of every picture's run.

    The default function runs once for each picture, which is cut to its size; of a package with a state as
    on a first frame.

    Raises:
        InputError: the function does not take one picture of a fixed size, or cannot be run.
    """
    height, width = input_size(package)
    interpreter = Interpreter(package)

    def only_numbers(out: Output, value: Tensor) -> None:
        if value.is_floating_point() and value.numel():
            observe(out, value)

    for _, rgb in pictures:
        interpreter.run(_inputs(package, fit(rgb, height, width)), only_numbers)


def _inputs(package: Package, rgb: np.ndarray) -> dict[str, np.ndarray]:
    paired = recurrence(package)
    feature = package.interface.inputs[0] if paired is None else paired.frame
    given = {feature.name: rgb if feature.kind == "image" else tensor_of(feature, rgb)}
    return given if paired is None else given | {paired.before.name: paired.no_state()}


def widen(found: dict[str, Range], name: str, value: Tensor) -> None:
    """Let a value's range in `found` hold this one too."""
    value = value.float()
    dims = (0, 2, 3) if value.dim() == 4 else tuple(range(value.dim()))
    ends = (value.amin(dims), value.amax(dims)) if value.dim() else (value, value)
    low, high = (end.double().numpy().reshape(-1) for end in ends)
    before = found.get(name, Range(low, high))
    found[name] = Range(np.minimum(before.low, low), np.maximum(before.high, high))
