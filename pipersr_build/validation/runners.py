"""What can execute a package: the MIL interpreter anywhere, Core ML on a Mac."""

from pipersr_build.mil.package import Package
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.backends import open_backend
from pipersr_build.validation.parity import Runner


def interpreter(package: Package, semantics: Semantics = "fp16") -> tuple[Runner, str]:
    """A runner on the MIL interpreter and its label for records."""
    return open_backend(package, choice="interpreter", semantics=semantics).run, f"interpreter {semantics}"


def core_ml(package: Package) -> tuple[Runner, str]:
    """A runner on Core ML with the CPU and the Neural Engine, and its label for records.

    Raises:
        MachineError: not on a Mac.
    """
    return open_backend(package, choice="coreml").run, "Core ML, CPU and Neural Engine"
