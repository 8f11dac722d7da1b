"""Read Core ML's compute plan of a package, on a Mac, through coremltools' documented classes.

Loading a plan compiles the package for the ANE, which can take minutes and many gigabytes, can abort the
process, and was seen to hang on machines without an ANE. It therefore runs in a process of its own with
a time limit: `python -m pipersr_build.placement.plan PACKAGE ANSWER`.
"""

import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipersr_build import files, quiet
from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import OperationPlacement, Placement, Record
from pipersr_build.mil.package import model_file

Device = Literal["CPU", "GPU", "ANE", "other"]

OLDEST = (14, 4)  # macOS; the first with MLComputePlan
TIMEOUT_S = 600.0
SOURCE = "Core ML's compute plan (MLComputePlan, CPU and Neural Engine)"
NEEDS_MAC = "run it on a Mac with macOS 14.4 or later and an Apple chip"


class PlannedOperation(Record):
    """What the plan says about one operation; `None` where Core ML gives no answer.

    `cost_weight` is the operation's share of the estimated work, in [0, 1]; it is not a time.
    """

    output_name: str
    operator: str
    supported: tuple[Device, ...] | None = None
    preferred: Device | None = None
    cost_weight: float | None = None


class Answer(Record):
    """What the child process writes: the plan, or why there is none."""

    status: Literal["ok", "unsupported", "failed"]
    message: str = ""
    operations: tuple[PlannedOperation, ...] = ()


def compute_plan(package: str | Path, *, timeout_s: float = TIMEOUT_S) -> Placement:
    """Ask Core ML which operations the ANE *can* run. Raises as `read` does."""
    return supported(read(package, timeout_s=timeout_s))


def read(package: str | Path, *, timeout_s: float = TIMEOUT_S) -> tuple[PlannedOperation, ...]:
    """The compute plan of a package's default function, in program order, constants left out.

    Operations that Core ML inserts (`…_cast_fp16`) are among them.

    Args:
        package: the `.mlpackage`.
        timeout_s: seconds that compiling and planning may take together.

    Raises:
        InputError: no such package, or Core ML refuses it.
        MachineError: not a Mac, too old, without the framework; or Core ML aborted or did not answer.
    """
    path = Path(package).resolve()
    model_file(path)
    require_mac(platform.system(), platform.mac_ver()[0])
    answer = _ask(path, timeout_s)
    if answer.status == "unsupported":
        raise MachineError(f"Core ML gives no compute plan here: {answer.message}", fix=NEEDS_MAC)
    if answer.status == "failed":
        raise InputError(f"Core ML refuses the package: {answer.message}", where=path)
    return answer.operations


def supported(operations: Sequence[PlannedOperation]) -> Placement:
    """The plan's answer to *can*: yes where the ANE is among the supported devices."""
    return _placement("can the ANE run it (supported devices)", operations, lambda op: op.supported)


def dispatched(operations: Sequence[PlannedOperation]) -> Placement:
    """The plan's answer to *will*: yes where the ANE is the preferred device."""
    return _placement(
        "will Core ML run it on the ANE (preferred device)",
        operations,
        lambda op: None if op.preferred is None else (op.preferred,),
    )


def require_mac(system: str, version: str) -> None:
    """Check that a machine can have the framework.

    Raises:
        MachineError: not macOS, or older than 14.4.
    """
    if system != "Darwin":
        raise MachineError("a compute plan can only be read on a Mac", where=system, fix=NEEDS_MAC)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise MachineError("this macOS is too old for compute plans", where=f"macOS {version}", fix=NEEDS_MAC)


def _placement(
    question: str,
    operations: Sequence[PlannedOperation],
    devices: Callable[[PlannedOperation], tuple[Device, ...] | None],
) -> Placement:
    return Placement(
        source="measured",
        basis=f"{SOURCE}: {question}; operations that Core ML inserted are included",
        operations=[_judged(op, devices(op)) for op in operations],
    )


def _judged(op: PlannedOperation, devices: tuple[Device, ...] | None) -> OperationPlacement:
    verdict: Literal["yes", "no", "unknown"] = "unknown"
    if devices is not None:
        verdict = "yes" if "ANE" in devices else "no"
    return OperationPlacement(
        output_name=op.output_name,
        operator=op.operator,
        verdict=verdict,
        reasons=[_told(op)],
        sources=[SOURCE],
    )


def _told(op: PlannedOperation) -> str:
    if op.supported is None:
        return "the plan has no answer for this operation"
    cost = "" if op.cost_weight is None else f", {100 * op.cost_weight:.1f} % of the estimated work"
    return f"supported on {', '.join(op.supported)}; preferred on {op.preferred}{cost}"


def _ask(package: Path, timeout_s: float) -> Answer:
    """Run this module on the package in a process of its own and read its answer."""
    with tempfile.TemporaryDirectory() as scratch:
        target, log = Path(scratch, "answer.json"), Path(scratch, "log.txt")
        command = [sys.executable, "-m", "pipersr_build.placement.plan", str(package), str(target)]
        code = _run(command, log, timeout_s, package)
        try:
            return Answer.model_validate_json(target.read_bytes())
        except (OSError, ValidationError) as error:
            raise MachineError(
                _ending(code, log), where=package, fix="see Console.app for a crash report"
            ) from error


def _run(command: Sequence[str], log: Path, timeout_s: float, package: Path) -> int:
    """The child's exit code; it and its children are ended at the time limit or on an interrupt."""
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            what = f"Core ML gave no compute plan within {timeout_s:g} s"
            fix = "allow more time, or check that this Mac has an ANE (virtual machines have none)"
            raise MachineError(what, where=package, fix=fix) from error
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _ending(code: int, log: Path) -> str:
    """How the child ended without an answer, with the last line that it wrote."""
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"Core ML ended with {how} while it compiled the package" + (f": {lines[-1]}" if lines else "")


def main(arguments: Sequence[str]) -> int:
    """The child process: write the answer about package `arguments[0]` to file `arguments[1]`."""
    package, target = arguments
    try:
        answer = Answer(status="ok", operations=tuple(_plan(package)))
    except ImportError as error:
        answer = Answer(status="unsupported", message=str(error))
    except Exception as error:  # coremltools raises plain Exception and RuntimeError for refused packages
        answer = Answer(status="failed", message=str(error) or type(error).__name__)
    files.write_text(Path(target), answer.model_dump_json())
    return 0


def _plan(package: str) -> Iterator[PlannedOperation]:
    ct = quiet.coremltools()
    import coremltools.libcoremlpython  # noqa: F401  (absent where the framework is; fails before compiling)
    from coremltools.models.compute_plan import MLComputePlan
    from coremltools.models.utils import compile_model

    with tempfile.TemporaryDirectory() as scratch:
        compiled = compile_model(package, str(Path(scratch, "model.mlmodelc")))
        plan = MLComputePlan.load_from_path(compiled, compute_units=ct.ComputeUnit.CPU_AND_NE)
        if plan.model_structure.program is None:
            raise ValueError("it holds no ML program")
        functions = plan.model_structure.program.functions
        function = functions.get("main") or next(iter(functions.values()))
        for operation in _walk(function.block):
            yield _planned(plan, operation)


def _walk(block: Any) -> Iterator[Any]:
    """The block's operations in order, nested blocks included, without those known at compile time."""
    for operation in block.operations:
        name = _operator(operation)
        if name != "const" and not name.startswith("constexpr_"):
            yield operation
        for nested in operation.blocks:
            yield from _walk(nested)


def _operator(operation: Any) -> str:
    """The operator without its operation set: `ios18.conv` → `conv`."""
    name: str = operation.operator_name
    return name.rpartition(".")[2]


def _planned(plan: Any, operation: Any) -> PlannedOperation:
    usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
    cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
    return PlannedOperation(
        output_name=operation.outputs[0].name if operation.outputs else _operator(operation),
        operator=_operator(operation),
        supported=None if usage is None else tuple(map(_device, usage.supported_compute_devices)),
        preferred=None if usage is None else _device(usage.preferred_compute_device),
        cost_weight=None if cost is None else cost.weight,
    )


def _device(device: Any) -> Device:
    names: dict[str, Device] = {
        "MLCPUComputeDevice": "CPU",
        "MLGPUComputeDevice": "GPU",
        "MLNeuralEngineComputeDevice": "ANE",
    }
    return names.get(type(device).__name__, "other")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
