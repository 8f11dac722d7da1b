"""Where the operations of a package are expected to run, predicted on any machine.

Two questions, two answers, joined here: *can* the engine run an operation (`check`), and *will* Core ML
send it there (`segmenter`). Nothing in here was measured on the machine at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence import Device, Estimates, OperationPlacement, Placement, PlacementVerdict
from pipersr_build.evidence import Totals as TotalsRecord
from pipersr_build.mil.graph import Constant, Function, Operation
from pipersr_build.mil.package import Interface, Package
from pipersr_build.placement import advice, check, profile, rules, segmenter
from pipersr_build.placement.check import DEFAULT_CHIP, Capability
from pipersr_build.placement.profile import BackEnd, Estimate, OtherPath, Profile
from pipersr_build.placement.quantities import COMPILE_TIME, Graph, Subject
from pipersr_build.placement.segmenter import Decision, Segmentation, Step
from pipersr_build.placement.work import work

FLEXIBLE = "the function accepts several sizes, so that its program takes the path for flexible shapes"


def predict(package: Package, *, chip: str = DEFAULT_CHIP, function: str | None = None) -> list[Placement]:
    """The predicted placement of every function of a package, or of the one that is named.

    Args:
        package: the opened package.
        chip: a chip family (`h13` … `h18`) or a chip's name (`M4`).
        function: the name of one function.

    Raises:
        InputError: no such chip.
        KeyError: no such function.
    """
    names = list(package.functions) if function is None else [function]
    return [
        predict_function(package.functions[name], interface=package.interfaces.get(name), chip=chip)
        for name in names
    ]


def predict_function(
    function: Function, *, interface: Interface | None = None, chip: str = DEFAULT_CHIP
) -> Placement:
    """The predicted placement of one function; without `interface` its sizes count as fixed."""
    table = rules.load()
    family = table.family(chip)
    graph = Graph(function)
    flexible = _flexible(function, interface)
    found = _Program(graph, check.capabilities(graph, chip=chip), profile.for_family(family), flexible)
    placement = Placement(
        source="predicted",
        basis=_basis(check.basis(table, family, found.capabilities), found),
        function=function.name,
        operations=found.operations(),
        totals=found.totals(),
    )
    return advice.advise(placement, graph, interface, table, family)


def _flexible(function: Function, interface: Interface | None) -> bool:
    declared = interface is not None and any(feature.flexible for feature in interface.inputs)
    return declared or not all(type_.static for type_ in function.inputs.values())


def _basis(can: str, found: "_Program") -> str:
    """On what the prediction rests: rules for *can*, a profile for *will*."""
    if found.flexible:
        return f"{can}; what Core ML estimates for programs of flexible size is not known"
    if found.profile is None:
        return f"{can}; what Core ML estimates for this chip is not known, so neither is its choice"
    known = f"{can}; choice simulated with estimates for {found.profile.chips}, {found.profile.os}"
    if assumed := sum(e.assumed for e in found.estimates.values()):
        known += f" ({assumed} of {len(found.estimates)} estimates assumed as on the M4)"
    return known


@dataclass(frozen=True, slots=True)
class _Both:
    """The segmentation with unknown operations kept off the engine, and with them on it."""

    without: Segmentation
    with_: Segmentation
    index: dict[str, int]

    def of(self, name: str) -> tuple[Decision, Decision]:
        i = self.index[name]
        return self.without.decisions[i], self.with_.decisions[i]


class _Program:
    """One function with its capabilities, the estimates for its operations, and the expected choice."""

    def __init__(
        self, graph: Graph, capabilities: Sequence[Capability], of: Profile | None, flexible: bool
    ) -> None:
        self.graph, self.capabilities, self.profile, self.flexible = graph, capabilities, of, flexible
        self.subjects = {c.operation.name: Subject(c.operation, graph) for c in capabilities}
        self.estimates: dict[str, Estimate] = {}
        self.path: OtherPath | None = None
        self.both: _Both | None = None
        if of is not None and not flexible:
            self._simulate(of)

    def _simulate(self, of: Profile) -> None:
        placed = [c for c in self.capabilities if not c.operation.type.startswith(COMPILE_TIME)]
        for capability in placed:
            estimate = of.estimate(self.subjects[capability.operation.name])
            if estimate is None:
                return
            self.estimates[capability.operation.name] = estimate
        if len(placed) > 1:  # alone, such an operation was placed like any other
            ways = (of.leaves_path(self.subjects[c.operation.name]) for c in placed)
            self.path = next((way for way in ways if way is not None), None)
        made = _results(self.graph.function)
        sure, hopeful = (
            [self._step(c, answers, made) for c in placed] for answers in (("yes",), ("yes", "unknown"))
        )
        without = segmenter.segment(sure, of.costs)
        with_ = without if sure == hopeful else segmenter.segment(hopeful, of.costs)
        self.both = _Both(without, with_, {c.operation.name: i for i, c in enumerate(placed)})

    def _step(self, capability: Capability, able: tuple[str, ...], made: dict[str, int]) -> Step:
        estimate = self.estimates[capability.operation.name]
        times: dict[BackEnd, float] = {"ane": estimate.ane} if capability.answer in able else {}
        times["bnns"] = estimate.bnns
        if estimate.classic is not None:
            times["classic"] = estimate.classic
        return Step(times, sum(made.get(out.name, 0) for out in capability.operation.outputs))

    def totals(self) -> TotalsRecord | None:
        """The three totals; None where nothing is estimated."""
        if self.both is None or self.path is not None:
            return None
        whole = self.both.without
        return TotalsRecord(expected=whole.expected, engine=whole.engine, cpu=whole.cpu)

    def operations(self) -> list[OperationPlacement]:
        """The record of every operation, in program order."""
        judged = [self._judged(c) for c in self.capabilities]
        total = sum(_chosen(op) for op in judged)
        shared = [_with_share(op, total) for op in judged]
        return _compile_time_like_consumers(self.graph, shared)

    def _judged(self, capability: Capability) -> OperationPlacement:
        verdict, preferred, reasons = self._verdict(capability)
        supported: list[Device] = ["ane", "cpu"] if capability.answer == "yes" else ["cpu"]
        if verdict == "dynamic" and self.path is not None:
            supported = ["ane", "gpu", "cpu"]  # as its plan lists them for everything on that path
        operation = capability.operation
        return OperationPlacement(
            output_name=operation.name,
            operator=operation.type,
            supported=supported,
            preferred=preferred,
            verdict=verdict,
            reasons=reasons,
            sources=capability.sources,
            estimates=self._estimates(operation),
        )

    def _verdict(self, capability: Capability) -> tuple[PlacementVerdict, Device | None, list[str]]:
        if self.path is not None:
            return "dynamic", None, [self.path.reason]
        if self.flexible:
            return "dynamic", None, [FLEXIBLE, *capability.reasons]
        if capability.answer == "no":
            return "hard", "cpu", capability.reasons
        if capability.answer == "unknown":
            return "unknown", None, capability.reasons
        if self.both is None or capability.operation.type.startswith(COMPILE_TIME):
            doubt = "it can run there; nothing tells whether Core ML will choose it"
            return "unknown", None, [doubt, *_weak(capability)]
        verdict, preferred, reasons = _expected(*self.both.of(capability.operation.name))
        return (
            verdict,
            preferred,
            [*reasons, *(capability.reasons if verdict == "ane" else _weak(capability))],
        )

    def _estimates(self, operation: Operation) -> Estimates:
        own, times = work(self.subjects[operation.name]), self.estimates.get(operation.name)
        return Estimates(
            flop=own.flop,
            bytes=own.bytes,
            intensity=own.intensity,
            ane_ms=None if times is None else times.ane,
            cpu_ms=None if times is None else times.cpu,
        )


def _weak(capability: Capability) -> list[str]:
    """Why it can run, where that rests on weaker evidence: such evidence is always shown."""
    return capability.reasons if capability.weaker else []


def _expected(sure: Decision, hopeful: Decision) -> tuple[PlacementVerdict, Device | None, list[str]]:
    """The verdict on an operation that can run on the engine."""
    if sure.choice != hopeful.choice:
        doubt = "it can run there; whether Core ML will choose it depends on operations that are unknown"
        return "unknown", None, [doubt]
    if sure.choice == "ane":
        return "ane", "ane", []
    totals = f"the program is expected to cost {sure.cpu:.4g} ms with it on the CPU"
    if sure.choice == "tie":
        return "tie", "ane", [f"{totals} and exactly as much with it on the ANE: either can be chosen"]
    return "soft", "cpu", [f"it can run there, but {totals} against {sure.engine:.4g} ms with it on the ANE"]


def _results(function: Function) -> dict[str, int]:
    """How often each value is a result of the function."""
    names = [a for a in function.body.outputs if not isinstance(a, Constant)]
    return {name: names.count(name) for name in names}


def _chosen(op: OperationPlacement) -> float:
    """The estimate in ms on the preferred device; 0 where there is none."""
    if op.estimates is None or op.preferred is None:
        return 0.0
    return (op.estimates.ane_ms if op.preferred == "ane" else op.estimates.cpu_ms) or 0.0


def _with_share(op: OperationPlacement, total: float) -> OperationPlacement:
    if op.estimates is None or op.preferred is None or not total:
        return op
    estimates = op.estimates.model_copy(update={"share": _chosen(op) / total})
    return op.model_copy(update={"estimates": estimates})


def _compile_time_like_consumers(
    graph: Graph, operations: list[OperationPlacement]
) -> list[OperationPlacement]:
    """Give what is computed when the model is compiled the verdict of the operation that uses it."""
    consumers: dict[str, str] = {}
    for operation in graph.function.walk():
        for bound in operation.inputs.values():
            consumers |= {a: operation.name for a in bound if isinstance(a, str)}
    by_name = {op.output_name: op for op in operations}
    done = []
    for op in operations:
        user = by_name.get(consumers.get(op.output_name, ""))
        if op.operator.startswith(COMPILE_TIME) and user is not None and op.verdict != "hard":
            reason = f"part of {user.operator} {user.output_name!r}: known when the model is compiled"
            same = {"verdict": user.verdict, "preferred": user.preferred, "reasons": [*op.reasons, reason]}
            op = op.model_copy(update=same)
        done.append(op)
    return done
