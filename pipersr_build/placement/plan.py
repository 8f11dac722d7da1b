"""Measure on a Mac where Core ML will run each operation: its compute plan, read by another process.

Loading a plan compiles the package for the ANE, which can take minutes and many gigabytes, can abort the
process, and was seen to hang on machines without an ANE. `plan_child` does it, within limits, with a home
folder of its own so that nothing is answered from a cache and the compiler's analytics can be found.
"""

import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipersr_build import machine
from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import Placement
from pipersr_build.mil.graph import Function
from pipersr_build.mil.package import Package, Stage, open_stages
from pipersr_build.placement import analytics
from pipersr_build.placement.measured import Witness, placement
from pipersr_build.placement.plan_answer import Answer, Part
from pipersr_build.placement.projection import project
from pipersr_build.placement.supervise import GIB, LimitError, Limits, run

OLDEST = (14, 4)  # macOS; the first with MLComputePlan
TIMEOUT_S = 600.0
MEMORY_SHARE = 0.75  # of the machine's, where no limit is given
NEEDS_MAC = "run it on a Mac with macOS 14.4 or later and an Apple chip"
NAME = "Core ML's compute plan (MLComputePlan)"
UNITS = {"cpu_and_ne": "CPU_AND_NE", "all": "ALL"}


@dataclass(frozen=True, slots=True)
class _Request:
    """How to ask: coremltools' name of the compute units, and the limits."""

    units: str
    limits: Limits

    @property
    def witness(self) -> Witness:
        """Core ML on this machine."""
        return Witness(NAME, f"macOS {platform.mac_ver()[0]}, {machine.processor()}", self.units)


def measure(
    package: Package | str | Path,
    *,
    compute_units: str = "cpu_and_ne",
    timeout_s: float = TIMEOUT_S,
    memory_gib: float | None = None,
) -> list[Placement]:
    """Where Core ML will run every operation, one placement per function of the package.

    The functions of a multifunction package are planned one after another. Neural networks and
    pipelines, which can only be given by path, have a placement per network or model.

    Args:
        package: an opened package, or the path of a `.mlpackage` or `.mlmodel`.
        compute_units: which devices Core ML may use: `cpu_and_ne`, or `all` (with the GPU).
        timeout_s: seconds that compiling and planning one function may take.
        memory_gib: resident memory that it may take; three quarters of the machine's unless given.

    Raises:
        InputError: no such package, Core ML refuses it, or no such compute units.
        MachineError: not a Mac, too old, without the framework; or Core ML aborted, hung, or needed
            more memory than allowed.
    """
    request = _Request(_units(compute_units), Limits(timeout_s, memory_gib or _memory_gib()))
    stages = [Stage("", "mlProgram", package)] if isinstance(package, Package) else open_stages(package)
    require_mac(platform.system(), platform.mac_ver()[0])
    program = stages[0].package
    if program is None or stages[0].name:  # a network of the older kind, or a pipeline
        return list(_whole(Path(str(package)), stages, request))
    return [_function(program, name, request) for name in program.functions if name in program.interfaces]


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


def _units(name: str) -> str:
    if name not in UNITS:
        what = f"no compute units {name!r} that include the Neural Engine"
        raise InputError(what, where="placement.compute_units", fix=f"one of: {', '.join(UNITS)}")
    return UNITS[name]


def _memory_gib() -> float:
    return MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def _whole(path: Path, stages: Sequence[Stage], request: _Request) -> Iterator[Placement]:
    """The parts of a neural network or a pipeline; the compiler's notes are not looked for there.

    Core ML gives a pipeline's models in order, so they are paired with ours, if there are as many.
    """
    parts, ours = _ask(path, request)[0].parts, list(_expected(stages))
    if len(parts) != len(ours):
        ours = [(part.name, None) for part in parts]
    for part, (name, function) in zip(parts, ours, strict=True):
        yield placement(part.model_copy(update={"name": name}), request.witness, function)


def _expected(stages: Sequence[Stage]) -> Iterator[tuple[str, Function | None]]:
    """The name and function of every part, named as predictions of such packages are."""
    for stage in stages:
        if stage.package is None:
            yield stage.name or "main", None
        else:
            for name, function in stage.package.functions.items():
                yield f"{stage.name}/{name}", function


def _function(package: Package, name: str, request: _Request) -> Placement:
    """One function's placement; of several functions each is planned as a package of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        alone = len(package.functions) == 1
        path = package.path if alone else project(package, name, Path(scratch))
        answer, notes = _ask(path, request, shown=package.path)
    part = _part(answer.parts, name, package.path)
    return placement(part, request.witness, package.functions[name], notes)


def _part(parts: Sequence[Part], name: str, package: Path) -> Part:
    """The part about a function; the only one there is may have another name."""
    named = [part for part in parts if part.name == name] or list(parts)
    if len(named) != 1:
        what = f"Core ML's plan has no function {name!r}"
        raise MachineError(what, where=package, fix="report it with this macOS version")
    return named[0].model_copy(update={"name": name})


def _ask(package: Path, request: _Request, shown: Path | None = None) -> tuple[Answer, analytics.Analytics]:
    """Ask the child about a package; its answer, and the compiler's notes where it left any.

    Args:
        package: what to plan.
        request: how.
        shown: the path that messages name instead.
    """
    where = shown or package
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        target, log, home = (Path(scratch, name) for name in ("answer.json", "log.txt", "home"))
        code = _run(package.resolve(), target, log, home, request, where)
        answer = _answer(target, code, log, where)
        names = [op.output_name for part in answer.parts for op in part.operations]
        notes = analytics.find(home, names)
    if answer.status == "unsupported":
        raise MachineError(f"Core ML gives no compute plan here: {answer.message}", fix=NEEDS_MAC)
    if answer.status == "failed":
        fix = "check it in Xcode, or export it again"
        raise InputError(f"Core ML refuses the package: {answer.message}", where=where, fix=fix)
    return answer, notes


def _run(package: Path, target: Path, log: Path, home: Path, request: _Request, where: Path) -> int:
    """Run the child within the limits, its caches and temporary files below `home`; its exit code."""
    seconds = str(request.limits.seconds)
    module = "pipersr_build.placement.plan_child"
    command = [sys.executable, "-m", module, str(package), str(target), request.units, seconds]
    (home / "tmp").mkdir(parents=True)
    environment = os.environ | {"CFFIXED_USER_HOME": str(home), "TMPDIR": str(home / "tmp")}
    try:
        return run(command, log, request.limits, environment)
    except LimitError as error:
        fix = (
            "raise placement.timeout_s or placement.memory_gib, or check that this Mac has an ANE "
            "(virtual machines have none); kernels 16 or more wide make the compiler grow without end"
        )
        raise MachineError(f"Core ML gave no compute plan: it {error}", where=where, fix=fix) from error


def _answer(target: Path, code: int, log: Path, package: Path) -> Answer:
    """What the child wrote; how it ended says why, where it wrote nothing of use."""
    try:
        return Answer.model_validate_json(target.read_bytes())
    except (OSError, ValidationError) as error:
        fix = "see Console.app for a crash report; a package that aborts the compiler is no package to ship"
        raise MachineError(_ending(code, log), where=package, fix=fix) from error


def _ending(code: int, log: Path) -> str:
    """How the child ended without an answer, with the last line that it wrote."""
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"Core ML ended with {how} while it compiled the package" + (f": {lines[-1]}" if lines else "")
