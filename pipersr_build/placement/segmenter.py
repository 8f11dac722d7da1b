"""Where Core ML is expected to send each operation: the cheapest way through the back ends.

Core ML's compiler cuts a program, in its order, into segments of one back end each and takes the cutting
with the least sum of the operations' estimates and of what segments cost: a launch per segment on the
engine, a switch between two back ends, a transfer per result that the engine hands out. Parallel branches
follow each other in that order as the program lists them. (Found by the study that `profiles/` cites, where
it explains 481 of 482 models on an M4, 41 of them as ties; docs/explanation/placement.md has our own count.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipersr_build.placement.profile import BackEnd, Costs

Choice = Literal["ane", "cpu", "tie"]
Totals = dict[BackEnd, float]

TIE = 1e-6  # relative; estimates are 32-bit floats, so that equal sums can differ in the last bits


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: its estimate in ms on each back end that can run it, and its results for callers."""

    times: Mapping[BackEnd, float]
    outputs: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The choice for one operation, and the whole program's best total with it on either device, in ms.

    `engine` is None where the engine cannot run it. `tie`: both totals are equal.
    """

    choice: Choice
    engine: float | None
    cpu: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The decisions in program order, and three totals in ms.

    Attributes:
        expected: of the cheapest way.
        engine: with every operation that can run on the engine there.
        cpu: with every operation on the CPU.
    """

    decisions: list[Decision]
    expected: float
    engine: float
    cpu: float


def segment(steps: Sequence[Step], costs: Costs) -> Segmentation:
    """The cheapest segmentation of a program, with every operation's alternatives.

    Args:
        steps: the operations in program order; each can run on at least one back end of the CPU.
        costs: what the segmenter adds.
    """
    before, after = _forward(steps, costs), _backward(steps, costs)
    totals = [_through(step, costs, b, a) for step, b, a in zip(steps, before, after, strict=True)]
    best = min(totals[0].values()) if totals else 0.0
    return Segmentation(
        decisions=[_decide(each, best) for each in totals],
        expected=best,
        engine=_price([_prefer(step, "ane") for step in steps], steps, costs),
        cpu=_price([_prefer(step, "cpu") for step in steps], steps, costs),
    )


def _own(step: Step, end: BackEnd, costs: Costs) -> float:
    return step.times[end] + (costs.engine_output * step.outputs if end == "ane" else 0.0)


def _change(before: BackEnd | None, end: BackEnd, costs: Costs) -> float:
    """What it costs to go on with `end`; `before` is None at the start."""
    if before == end:
        return 0.0
    return (costs.switch if before else 0.0) + (costs.engine_launch if end == "ane" else 0.0)


def _forward(steps: Sequence[Step], costs: Costs) -> list[Totals]:
    """Per step and back end: the least cost of everything before it, the change to it included."""
    reached: list[Totals] = []
    done: Totals = {}
    for step in steps:
        here: Totals = {}
        for end in step.times:
            ways = [total + _change(other, end, costs) for other, total in done.items()]
            here[end] = min(ways, default=_change(None, end, costs))
        reached.append(here)
        done = {end: total + _own(step, end, costs) for end, total in here.items()}
    return reached


def _backward(steps: Sequence[Step], costs: Costs) -> list[Totals]:
    """Per step and back end: the least cost of everything after it, the change from it included."""
    left: list[Totals] = []
    ahead: Totals = {}
    for step in reversed(steps):
        here = {
            end: min((total + _change(end, other, costs) for other, total in ahead.items()), default=0.0)
            for end in step.times
        }
        left.append(here)
        ahead = {end: total + _own(step, end, costs) for end, total in here.items()}
    return left[::-1]


def _through(step: Step, costs: Costs, before: Totals, after: Totals) -> Totals:
    return {end: before[end] + _own(step, end, costs) + after[end] for end in step.times}


def _decide(totals: Totals, best: float) -> Decision:
    cpu = min(total for end, total in totals.items() if end != "ane")
    engine = totals.get("ane")
    if engine is None:
        return Decision("cpu", None, cpu)
    if abs(engine - cpu) <= TIE * best:
        return Decision("tie", engine, cpu)
    return Decision("ane" if engine < cpu else "cpu", engine, cpu)


def _prefer(step: Step, device: Literal["ane", "cpu"]) -> BackEnd:
    if device == "ane" and "ane" in step.times:
        return "ane"
    return min((end for end in step.times if end != "ane"), key=lambda end: step.times[end])


def _price(ends: Sequence[BackEnd], steps: Sequence[Step], costs: Costs) -> float:
    """The cost of one given way through the back ends."""
    total, before = 0.0, None
    for end, step in zip(ends, steps, strict=True):
        total += _change(before, end, costs) + _own(step, end, costs)
        before = end
    return total
