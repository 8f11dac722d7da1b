"""What runs a package: Core ML on a Mac, the MIL interpreter anywhere."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from PIL import Image

from pipersr_build import quiet
from pipersr_build.errors import InputError, MachineError
from pipersr_build.mil.package import Interface, Package
from pipersr_build.mil.values import Semantics

Choice = Literal["auto", "interpreter", "coreml"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

# Core ML's own names (MLComputeUnits) and what coremltools calls them.
COMPUTE_UNITS = {
    "cpuAndNeuralEngine": "CPU_AND_NE",
    "cpuAndGPU": "CPU_AND_GPU",
    "cpuOnly": "CPU_ONLY",
    "all": "ALL",
}


class Backend(Protocol):
    """One function of a package, ready to run.

    Attributes:
        name: what records and people call it: `MIL interpreter, fp16`, `Core ML, cpuAndNeuralEngine`.
        interface: the function's inputs and outputs.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def interface(self) -> Interface: ...  # noqa: D102

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """An array for every output, for an array for every input, by name.

        Images are uint8 arrays of height, width, 3 in RGB order or height, width (gray); tensors are arrays
        in the declared shape and type.
        """
        ...


def open_backend(
    package: Package,
    *,
    choice: Choice = "auto",
    compute_units: str = "cpuAndNeuralEngine",
    function: str | None = None,
    semantics: Semantics = "fp16",
) -> Backend:
    """Load a package to run it.

    Args:
        package: an opened package.
        choice: `auto` is Core ML on a Mac and the interpreter elsewhere.
        compute_units: what Core ML may use, in its own words; see `COMPUTE_UNITS`.
        function: of a package with several; the default one if None.
        semantics: the interpreter's.

    Raises:
        InputError: the package cannot be run, or a choice that does not exist.
        MachineError: Core ML is asked for off a Mac.
    """
    _check("back end", choice, CHOICES)
    _check("setting of compute units", compute_units, tuple(COMPUTE_UNITS))
    on_a_mac = sys.platform == "darwin"
    if choice == "coreml" and not on_a_mac:
        raise MachineError("Core ML runs only on a Mac", fix="run the same command there")
    if function is None and len(package.functions) > 1:
        function = package.default  # which may be another than the file's own: see `Package.at`
    if choice == "interpreter" or not on_a_mac:
        return InterpreterBackend(package, function, semantics)
    return CoreMLBackend(package, compute_units, function)


class InterpreterBackend:
    """The MIL interpreter; see `open_backend`."""

    def __init__(self, package: Package, function: str | None = None, semantics: Semantics = "fp16") -> None:
        from pipersr_build.mil.interpreter import Interpreter

        self._interpreter = Interpreter(package, function, semantics)
        self.name = f"MIL interpreter, {semantics}"
        self.interface: Interface = self._interpreter.interface

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Backend`."""
        return self._interpreter.run(inputs)


class CoreMLBackend:
    """Core ML through coremltools, on a Mac; see `open_backend`."""

    def __init__(
        self, package: Package, compute_units: str = "cpuAndNeuralEngine", function: str | None = None
    ) -> None:
        ct = quiet.coremltools()
        named = {} if function is None else {"function_name": function}
        units = getattr(ct.ComputeUnit, COMPUTE_UNITS[compute_units])
        self._model = ct.models.MLModel(str(Path(package.path)), compute_units=units, **named)
        self.name = f"Core ML, {compute_units}"
        self.interface: Interface = package.interface if function is None else package.interfaces[function]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Backend`."""
        results = self._model.predict({name: _to_core_ml(value) for name, value in inputs.items()})
        return {name: _from_core_ml(value) for name, value in results.items()}


def _to_core_ml(value: np.ndarray) -> object:
    """Core ML takes images as PIL pictures and tensors as arrays."""
    return Image.fromarray(value) if value.dtype == np.uint8 else value


def _from_core_ml(value: Any) -> np.ndarray:
    if not isinstance(value, Image.Image):
        return np.asarray(value)
    return np.asarray(value if value.mode in ("L", "F") else value.convert("RGB"))


def _check(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{value!r} is no {what}", fix=f"choose from {', '.join(allowed)}")
