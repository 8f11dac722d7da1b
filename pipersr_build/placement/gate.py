"""The gates on placement: what share of a package's operations the ANE can run, and will run."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pipersr_build.evidence import RESIDENT, Gate, OperationPlacement, Placement, judge

Answer = Literal["yes", "no", "unknown"]

CAN = "ANE can run all operations"
WILL = "ANE residency, simulated"
MEASURED = "ANE residency, compute plan"
EVERY = 1.0
UNIT = "share"


def can(operation: OperationPlacement) -> Answer:
    """Whether the engine can run an operation."""
    if "ane" in operation.supported:
        return "yes"
    return "no" if operation.verdict == "hard" else "unknown"


def will(operation: OperationPlacement) -> Answer:
    """Whether it will run there; a tie counts, because either choice costs the same."""
    if operation.verdict in RESIDENT:
        return "yes"
    return "unknown" if operation.verdict in ("unknown", "dynamic") else "no"


def share(answers: list[Answer]) -> float | None:
    """Answers that are yes ÷ all; None where that is not known.

    It is not known when there is no operation, or when the only doubt is about unknown ones: a share
    that counts them as no would fail, and one that leaves them out would pass, without evidence.
    """
    yes, no = answers.count("yes"), answers.count("no")
    if not answers or (yes + no < len(answers) and not no):
        return None
    return yes / len(answers)


def prediction_gates(
    placement: Placement, package: str | Path, within: str | None = None, require: str = "will"
) -> list[Gate]:
    """The gates on a predicted placement: pass, fail, or unknown.

    Args:
        placement: from `predict`.
        package: the package it is about.
        within: the export folder to name in the gates' command instead of the package.
        require: `will` or `can`, which leaves out the gate on where Core ML is expected to send them.
    """
    gates = [_gate(CAN, can, placement, package, within)]
    return gates if require == "can" else [*gates, _gate(WILL, will, placement, package, within)]


def plan_gate(plan: Placement | None, package: str | Path, within: str | None = None) -> Gate:
    """The gate on what Core ML's compute plan says; None, off a Mac, gives `not measured`."""
    if plan is not None:
        return _gate(MEASURED, will, plan, package, within)
    return judge(
        MEASURED,
        str(package),
        None,
        "at least",
        EVERY,
        UNIT,
        source="not measured",
        command=f"pipersr-build verify {within or package}",
        note="needs a Mac with macOS 14.4 or later",
    )


def _gate(
    name: str,
    ask: Callable[[OperationPlacement], Answer],
    placement: Placement,
    package: str | Path,
    within: str | None,
) -> Gate:
    answers = [ask(operation) for operation in placement.operations]
    return judge(
        name,
        str(package),
        share(answers),
        "at least",
        EVERY,
        UNIT,
        source=placement.source,
        command=f"pipersr-build verify {within or package}",
        note=_note(placement, answers),
    )


def _note(placement: Placement, answers: list[Answer]) -> str:
    """The counts, and the first operation that stands in the way."""
    counts = ", ".join(f"{answers.count(answer)} {answer}" for answer in ("yes", "no", "unknown"))
    wanted = "no" if "no" in answers else "unknown"
    for operation, answer in zip(placement.operations, answers, strict=True):
        if answer == wanted:
            reasons = "; ".join(operation.reasons)
            return f"{counts}; first {wanted}: {operation.operator} {operation.output_name!r}: {reasons}"
    return counts
