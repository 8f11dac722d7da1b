"""Make a placement of what Core ML's plan says, and of what its compiler noted where that is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipersr_build.evidence import Estimates, OperationPlacement, Placement, PlacementVerdict, Totals
from pipersr_build.mil.graph import Function
from pipersr_build.placement.analytics import Analysed, Analytics
from pipersr_build.placement.plan_answer import Part, PlannedOperation
from pipersr_build.placement.profile import BackEnd, Costs
from pipersr_build.placement.quantities import COMPILE_TIME, Graph, Subject
from pipersr_build.placement.segmenter import Decision, Segmentation, Step, segment
from pipersr_build.placement.work import work

ALLOWED = {
    "CPU_AND_NE": "CPU and Neural Engine allowed",
    "ALL": "all devices allowed",
    "CPU_AND_GPU": "CPU and GPU allowed",
    "CPU_ONLY": "only the CPU allowed",
}
NAMES = {"ane": "ANE", "gpu": "GPU", "cpu": "CPU"}
BACK_ENDS: dict[str, BackEnd] = {"ane": "ane", "bnns": "bnns", "classic_cpu": "classic"}
TIE = "by the compiler's own estimates the ANE would cost exactly as much"
SHOWN = 5  # names in a warning
NOTHING = Analytics()


@dataclass(frozen=True, slots=True)
class Witness:
    """Who says where operations run: its name, where it looked, and which compute units were allowed.

    `units` is coremltools' name of them.
    """

    name: str
    machine: str
    units: str

    @property
    def basis(self) -> str:
        """All of it in a line."""
        return f"{self.name}, {ALLOWED.get(self.units, self.units)}; {self.machine}"


def placement(
    part: Part, witness: Witness, function: Function | None = None, notes: Analytics = NOTHING
) -> Placement:
    """Join a part of a plan with the package's function by output name.

    Args:
        part: the plan's operations.
        witness: whose plan it is.
        function: the package's function; None where there is none (neural networks, pipelines).
        notes: the compiler's, possibly empty.
    """
    graph = None if function is None else Graph(function)
    dynamic = part.kind == "program" and is_dynamic(part.operations, witness.units)
    judge = _Judge(graph, notes, dynamic, witness.name)
    rows = [judge.row(op) for op in part.operations]
    found = None if function is None or dynamic else _segmentation(part, function, notes)
    return Placement(
        source="measured",
        basis=witness.basis,
        function=part.name,
        operations=rows if found is None else _with_ties(rows, found.decisions),
        totals=None if found is None else Totals(expected=found.expected, engine=found.engine, cpu=found.cpu),
        warnings=[*_warnings(part, function, dynamic, rows)],
    )


def is_dynamic(operations: Sequence[PlannedOperation], units: str) -> bool:
    """Whether the program takes the path in which nothing is estimated.

    There the plan lists the GPU even where only CPU and Neural Engine are allowed, and gives no cost for
    any operation. Where all devices are allowed, the missing costs alone tell.
    """
    gpu = any("gpu" in (op.supported or ()) for op in operations)
    return gpu and (units == "CPU_AND_NE" or all(op.cost_weight is None for op in operations))


def verdict(op: PlannedOperation, dynamic: bool) -> PlacementVerdict:
    """The plan's answer; no answer is `unknown`."""
    if op.supported is None:
        return "unknown"
    if "ane" not in op.supported:
        return "hard"
    if dynamic:
        return "dynamic"
    if op.preferred is None:
        return "unknown"
    return "ane" if op.preferred == "ane" else "soft"


@dataclass(frozen=True, slots=True)
class _Judge:
    """What the operations of one part have in common."""

    graph: Graph | None
    notes: Analytics
    dynamic: bool
    source: str

    def row(self, op: PlannedOperation) -> OperationPlacement:
        """The placement of one operation."""
        subject = self._subject(op)
        noted = self.notes.operations.get(op.output_name)
        judged = verdict(op, self.dynamic)
        reasons = [_reason(op, judged, noted)]
        if subject is None and op.cost_weight is not None:
            reasons.append(f"{100 * op.cost_weight:.1f} % of Core ML's whole estimate")
        return OperationPlacement(
            output_name=op.output_name,
            operator=op.operator,
            supported=list(op.supported or ()),
            preferred=op.preferred,
            verdict=judged,
            reasons=reasons,
            sources=[self.source],
            estimates=None if subject is None else _estimates(op, subject, noted),
            inserted=self.graph is not None and subject is None,
        )

    def _subject(self, op: PlannedOperation) -> Subject | None:
        """The package's own operation; None for one that Core ML inserted."""
        maker = None if self.graph is None else self.graph.makers.get(op.output_name)
        return None if maker is None or self.graph is None else Subject(maker, self.graph)


def _estimates(op: PlannedOperation, subject: Subject, noted: Analysed | None) -> Estimates:
    done = work(subject)
    return Estimates(
        flop=done.flop,
        bytes=done.bytes,
        intensity=done.intensity,
        ane_ms=noted.time("ane") if noted else None,
        cpu_ms=noted.time("cpu") if noted else None,
        share=op.cost_weight,
    )


def _reason(op: PlannedOperation, judged: PlacementVerdict, noted: Analysed | None) -> str:
    """Why, in the compiler's words where it said any."""
    devices = " and ".join(NAMES[device] for device in op.supported or ()) or "no device"
    if judged == "hard":
        said = noted.messages.get("ane") if noted else None
        return f"Core ML's compiler: {said}" if said else f"the plan lists only {devices} for it"
    if judged == "soft":
        return f"the ANE can run it and Core ML prefers the {NAMES[op.preferred or 'cpu']}{_times(noted)}"
    if judged == "dynamic":
        return f"the plan lists {devices} and estimates nothing: the program is not divided among devices"
    if judged == "unknown":
        return "the plan has no answer for this operation"
    return "the ANE is Core ML's preferred device"


def _times(noted: Analysed | None) -> str:
    ane, cpu = (None, None) if noted is None else (noted.time("ane"), noted.time("cpu"))
    if ane is None or cpu is None:
        return ""
    return f" (its estimates: {1000 * ane:.2f} µs on the ANE, {1000 * cpu:.2f} µs on the CPU)"


def _segmentation(part: Part, function: Function, notes: Analytics) -> Segmentation | None:
    """What the compiler's own estimates lead to; None unless it noted some for every operation."""
    returned = [name for name in function.body.outputs if isinstance(name, str)]
    added, steps = costs(notes), []
    for op in part.operations:
        noted = notes.operations.get(op.output_name)
        times = {} if noted is None else noted.times_ms
        known: dict[BackEnd, float] = {end: times[name] for name, end in BACK_ENDS.items() if name in times}
        if not known.keys() - {"ane"}:
            return None
        steps.append(Step(known, returned.count(op.output_name)))
    return None if added is None else segment(steps, added)


def costs(notes: Analytics) -> Costs | None:
    """What the segmenter adds by the compiler's notes; None where they do not say.

    Handing a result out costs what a switch does: the file has no number of its own for it.
    """
    launch, switch = (notes.constants_ms.get(name) for name in ("Launch_ane_ms", "Src_ane_Dest_bnns_ms"))
    if launch is None or switch is None:
        return None
    return Costs(engine_launch=launch, switch=switch, engine_output=switch)


def _with_ties(rows: list[OperationPlacement], decisions: Sequence[Decision]) -> list[OperationPlacement]:
    """Call an operation a tie where Core ML chose the CPU and the ANE would have cost exactly as much."""
    return [
        row.model_copy(update={"verdict": "tie", "reasons": [TIE, *row.reasons]})
        if row.verdict == "soft" and decision.choice == "tie"
        else row
        for row, decision in zip(rows, decisions, strict=True)
    ]


def _warnings(
    part: Part, function: Function | None, dynamic: bool, rows: Sequence[OperationPlacement]
) -> Iterable[str]:
    if part.kind == "other":
        yield "Core ML does not take this model apart: no program, neural network or pipeline"
    if rows and all(op.supported is None for op in part.operations):
        yield (
            "Core ML answers for none of the operations; that was seen with packages for old systems: "
            f"export it for a later deployment target{_target(function)}"
        )
    if dynamic:
        yield (
            "Core ML runs this program on its path for shapes that are not known beforehand, where "
            "nothing is estimated and nothing is certain: give every input and operation a fixed shape"
        )
    if function is not None:
        yield from _differences(function, rows)


def _target(function: Function | None) -> str:
    return "" if function is None else f" (its operation set is {function.opset}; CoreML8 is iOS 18's)"


def _differences(function: Function, rows: Sequence[OperationPlacement]) -> Iterable[str]:
    """Operations that only the plan has, and ones that only the package has."""
    planned = {row.output_name for row in rows}
    ours = [op.name for op in function.walk() if not op.type.startswith(COMPILE_TIME)]
    inserted = [row.output_name for row in rows if row.inserted]
    gone = [name for name in ours if name not in planned]
    if inserted:
        yield f"Core ML inserted {len(inserted)} operations: {_some(inserted)}"
    if gone:
        yield f"{len(gone)} operations of the package are not in the plan, folded or replaced: {_some(gone)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
