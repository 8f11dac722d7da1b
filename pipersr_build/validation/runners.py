"""What can execute a package: the MIL interpreter anywhere, Core ML on a Mac."""

from pipersr_build.mil.package import Package
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.backends import open_backend
from pipersr_build.validation.parity import Runner

COMPUTE_UNITS = "cpuAndNeuralEngine"  # that Core ML may use


def interpreter(package: Package, semantics: Semantics = "fp16") -> tuple[Runner, str]:
    """A runner on the MIL interpreter and its label for records."""
    return open_backend(package, choice="interpreter", semantics=semantics).run, f"interpreter {semantics}"


def core_ml(package: Package, compute_units: str = COMPUTE_UNITS) -> tuple[Runner, str]:
    """A runner on Core ML with the CPU and the Neural Engine, or what is said, and its label for records.

    Raises:
        MachineError: not on a Mac.
    """
    run = open_backend(package, choice="coreml", compute_units=compute_units).run
    allowed = "CPU and Neural Engine" if compute_units == COMPUTE_UNITS else compute_units
    return run, f"Core ML, {allowed}"
