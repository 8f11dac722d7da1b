"""The JSON that `verify --json` writes: a list of packages, their functions, their operations in order.

Unknown keys are refused on reading, so that a file always means what these records say. Every part that
can be taken out of its context carries `source`, so that a prediction is never read as a measurement.
"""

from typing import Literal

from pydantic import Field, TypeAdapter

from pipersr_build.errors import BuildError
from pipersr_build.evidence import Latency, OperationPlacement, Placement, PlacementVerdict, Record, Totals
from pipersr_build.placement.analysis import Analysis, FunctionAnalysis, Verification
from pipersr_build.report.placement_facts import residency

Answer = Literal["predicted", "measured"]


class Operation(OperationPlacement):
    """One operation: `OperationPlacement`, and where its answer comes from."""

    source: Answer


class Summary(Record):
    """How much of a function is on the ANE; `ane` and `tie` count as resident."""

    operations: int
    resident: int
    all_resident: bool
    verdicts: dict[PlacementVerdict, int] = Field(description="only those that occur")
    flop: float | None = Field(description="a multiplication and an addition count as two")
    resident_flop: float | None
    flop_share: float | None = Field(description="resident_flop ÷ flop; None where nothing is computed")


class Answers(Record):
    """One answer about a function's placement: the prediction, or Core ML's own plan."""

    source: Answer
    basis: str
    summary: Summary
    totals: Totals | None
    latency: Latency | None
    warnings: list[str]
    operations: list[Operation]


class _Named(Record):
    name: str


class Function(Answers, _Named):  # in this order the name is written first
    """A function of a package, or of a pipeline's stage (`1 name/main`).

    The answer that stands here is the measurement where there is one; `prediction` then holds the other.
    """

    prediction: Answers | None = Field(default=None, description="what was predicted for what was measured")


class Problem(Record):
    """Why a package could not be judged, or not be measured."""

    what: str
    where: str | None
    fix: str | None


class PackageResidency(Record):
    """One package: its path as given, and its functions; or `error`, and none."""

    package: str
    name: str
    chip: str = Field(description="the family and chip that a prediction is for")
    source: Answer | None = Field(description="measured only if every function was; None with an error")
    all_resident: bool
    functions: list[Function]
    error: Problem | None = None
    unmeasured: Problem | None = Field(default=None, description="why Core ML gave no plan on a Mac")


_LIST = TypeAdapter(list[PackageResidency])


def to_json(found: Verification) -> str:
    """The packages as indented JSON text."""
    return _LIST.dump_json([package(each, found.chip) for each in found.analyses], indent=2).decode() + "\n"


def from_json(text: str | bytes) -> list[PackageResidency]:
    """Read what `to_json` wrote.

    Raises:
        ValidationError: it follows another schema.
    """
    return _LIST.validate_json(text)


def package(analysis: Analysis, chip: str) -> PackageResidency:
    """One package's record."""
    functions = [_function(each) for each in analysis.functions]
    sources = {function.source for function in functions}
    return PackageResidency(
        package=str(analysis.path),
        name=analysis.path.name,
        chip=chip,
        source=None if not sources else "measured" if sources == {"measured"} else "predicted",
        all_resident=bool(functions) and all(function.summary.all_resident for function in functions),
        functions=functions,
        error=_problem(analysis.error),
        unmeasured=_problem(analysis.unmeasured),
    )


def _function(found: FunctionAnalysis) -> Function:
    beside = None if found.measured is None else _answers(found.predicted)
    return Function(name=found.name, prediction=beside, **dict(_answers(found.answer)))


def _answers(placement: Placement) -> Answers:
    source: Answer = "measured" if placement.source == "measured" else "predicted"
    counts = residency(placement)
    return Answers(
        source=source,
        basis=placement.basis,
        summary=Summary(
            operations=counts.operations,
            resident=counts.resident,
            all_resident=counts.all_resident,
            verdicts=counts.verdicts,
            flop=counts.flop,
            resident_flop=counts.resident_flop,
            flop_share=counts.flop_share,
        ),
        totals=placement.totals,
        latency=placement.latency,
        warnings=placement.warnings,
        operations=[Operation(**dict(operation), source=source) for operation in placement.operations],
    )


def _problem(error: BuildError | None) -> Problem | None:
    return None if error is None else Problem(what=error.what, where=error.where, fix=error.fix)
