"""What can execute a package: the MIL interpreter anywhere, Core ML on a Mac."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pipersr_build import quiet
from pipersr_build.errors import MachineError
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Package
from pipersr_build.mil.values import Semantics
from pipersr_build.validation.parity import Runner


def interpreter(package: Package, semantics: Semantics = "fp16") -> tuple[Runner, str]:
    """A runner on the MIL interpreter and its label for records."""
    return Interpreter(package, semantics=semantics).run, f"interpreter {semantics}"


def core_ml(package: Package) -> tuple[Runner, str]:
    """A runner on Core ML with the CPU and the Neural Engine, and its label for records.

    Raises:
        MachineError: not on a Mac.
    """
    if sys.platform != "darwin":
        raise MachineError("Core ML runs only on a Mac", fix="run the same command there")
    return _predictor(package), "Core ML, CPU and Neural Engine"


def _predictor(package: Package) -> Runner:
    ct = quiet.coremltools()
    model = ct.models.MLModel(str(Path(package.path)), compute_units=ct.ComputeUnit.CPU_AND_NE)

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = model.predict({name: _to_core_ml(value) for name, value in inputs.items()})
        return {name: _from_core_ml(value) for name, value in results.items()}

    return run


def _to_core_ml(value: np.ndarray) -> object:
    """Core ML takes images as PIL pictures and tensors as arrays."""
    return Image.fromarray(value) if value.dtype == np.uint8 else value


def _from_core_ml(value: object) -> np.ndarray:
    return np.asarray(value.convert("RGB")) if isinstance(value, Image.Image) else np.asarray(value)
