"""Read the performance report that Xcode exports for a model: a third witness of placement, with times.

A `.mlperf` bundle is a folder with a `report.json`. Apple documents no format. What is read here is what
two public readers of such files agree on (found by their use of `deviceResults`, in reports of Xcode 16):
`computeUnit` (the number of an `MLComputeUnits`), `deviceInfo.modelName` and
`.osNameAndVersionWithoutBuildNumber`, `deviceResults.predict.samples` in seconds (also `load` and
`compile`), and under `deviceResults.modelStructure.program._0.functions.NAME.block.operations` each
operation's `operatorName`, `outputs[].name`, `cost.weight` and `deviceUsage.preferred.deviceType`.
`deviceUsage.supported` is read in the form that coremltools' own remote reports have.

The device's name, identifier and serial number are in such reports too, and are not read.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipersr_build.errors import InputError
from pipersr_build.evidence import Device, Placement
from pipersr_build.mil.package import Package
from pipersr_build.placement.measured import Witness, placement
from pipersr_build.placement.plan_answer import Part, PlannedOperation
from pipersr_build.placement.quantities import COMPILE_TIME

REPORT = "report.json"
NAME = "Xcode's performance report"
UNITS = {0: "CPU_ONLY", 1: "CPU_AND_GPU", 2: "ALL", 3: "CPU_AND_NE"}  # MLComputeUnits
DEVICES: dict[str, Device] = {"neuralEngine": "ane", "gpu": "gpu", "cpu": "cpu"}
FIX = "in Xcode: open the package, Performance, make a report, Export; give the .mlperf folder"


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says: on what, how fast, and where each operation ran.

    Times are medians in ms; None where the report has none. There are no placements where the report
    says nothing of single operations.
    """

    device: str
    units: str
    predict_ms: float | None
    load_ms: float | None
    compile_ms: float | None
    placements: tuple[Placement, ...]


def read(path: str | Path, package: Package | None = None) -> Report:
    """Read a report.

    Args:
        path: the `.mlperf` folder, or its `report.json`.
        package: what the report is about; joined by output name, so that estimates are complete and
            operations that Core ML inserted are known.

    Raises:
        InputError: it is missing, damaged, or no such report.
    """
    path = Path(path)
    report = _load(path)
    info, results = _mapping(report.get("deviceInfo")), report["deviceResults"]
    names = (info.get("modelName"), info.get("osNameAndVersionWithoutBuildNumber"))
    device = ", ".join(name for name in names if isinstance(name, str)) or "device not named"
    number = report.get("computeUnit")
    units = UNITS.get(number, "unknown units") if isinstance(number, int) else "unknown units"
    witness, functions = Witness(NAME, device, units), package.functions if package else {}
    parts = list(_parts(results.get("modelStructure")))
    return Report(
        device=device,
        units=units,
        predict_ms=_median(results, "predict"),
        load_ms=_median(results, "load"),
        compile_ms=_median(results, "compile"),
        placements=tuple(placement(part, witness, functions.get(part.name)) for part in parts),
    )


def _load(path: Path) -> Mapping[str, Any]:
    """The report, which has at least a mapping `deviceResults`."""
    file = path / REPORT if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"no performance report: there is no {file.name}", where=path, fix=FIX)
    try:
        report = json.loads(file.read_bytes())
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, where=file, fix="check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise InputError("the performance report is damaged: it is not JSON", where=file, fix=FIX) from error
    if not isinstance(report, dict) or not isinstance(report.get("deviceResults"), dict):
        raise InputError("this is no Core ML performance report", where=file, fix=FIX)
    return report


def _median(results: Mapping[str, Any], name: str) -> float | None:
    """Median of a step's samples in ms; they are in seconds."""
    samples = _sequence(_mapping(results.get(name)).get("samples"))
    times = [_number(sample) for sample in samples]
    known = [1000 * time for time in times if time is not None]
    return statistics.median(known) if known else None


def _parts(structure: Any) -> Iterator[Part]:
    """One part per function that lists operations."""
    for name, function in sorted(_functions(structure).items()):
        operations = tuple(_operations(_mapping(_mapping(function).get("block"))))
        if operations:
            yield Part(name=name, kind="program", operations=operations)


def _functions(structure: Any) -> Mapping[str, Any]:
    """`functions` of the program; Swift encodes a case's value under `_0`, which a later Xcode may not."""
    program = _mapping(_mapping(structure).get("program"))
    return _mapping(_mapping(program.get("_0", program)).get("functions"))


def _operations(block: Mapping[str, Any]) -> Iterator[PlannedOperation]:
    """The block's operations in order, nested blocks included, without those known at compile time."""
    for operation in map(_mapping, _sequence(block.get("operations"))):
        operator = str(operation.get("operatorName", "")).rpartition(".")[2]
        if operator and operator != "const" and not operator.startswith(COMPILE_TIME):
            yield _planned(operation, operator)
        for nested in _sequence(operation.get("blocks")):
            yield from _operations(_mapping(nested))


def _planned(operation: Mapping[str, Any], operator: str) -> PlannedOperation:
    """A report that names only the preferred device says nothing of others that could run it."""
    usage = _mapping(operation.get("deviceUsage"))
    preferred = _device(usage.get("preferred"))
    listed = [_device(device) for device in _sequence(usage.get("supported"))]
    supported = {device for device in listed if device is not None}
    if preferred == "ane":
        supported.add("ane")
    outputs = [_mapping(output).get("name") for output in _sequence(operation.get("outputs"))]
    return PlannedOperation(
        output_name=str(outputs[0]) if outputs and outputs[0] else operator,
        operator=operator,
        supported=tuple(sorted(supported)) or None,
        preferred=preferred,
        cost_weight=_number(_mapping(operation.get("cost")).get("weight")),
    )


def _device(value: Any) -> Device | None:
    """`{"deviceType": {"neuralEngine": …}}`, the same without `deviceType`, or the bare name."""
    value = _mapping(value).get("deviceType", value)
    names = [value] if isinstance(value, str) else list(_mapping(value))
    return next((DEVICES[name] for name in names if name in DEVICES), None)


def _number(value: Any) -> float | None:
    """A finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e300 else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
