"""The gates on placement: what share of a package's operations the ANE can run, or will run."""

from collections import Counter
from pathlib import Path

from pipersr_build.evidence import Gate, Placement, judge

PREDICTED = "ANE can run all operations"
MEASURED = "ANE residency, compute plan"
EVERY = 1.0
UNIT = "share"


def residency(placement: Placement) -> tuple[int, int, int]:
    """How many operations have the verdict yes, no and unknown."""
    counts = Counter(operation.verdict for operation in placement.operations)
    return counts["yes"], counts["no"], counts["unknown"]


def share(placement: Placement) -> float | None:
    """Operations with verdict yes ÷ all; None where that is not known.

    It is not known when there is no operation, or when the only doubt is about unknown ones: a share
    that counts them as no would fail, and one that leaves them out would pass, without evidence.
    """
    yes, no, unknown = residency(placement)
    if yes + no + unknown == 0 or (unknown and not no):
        return None
    return yes / (yes + no + unknown)


def prediction_gate(placement: Placement, package: str | Path, within: str | None = None) -> Gate:
    """The gate on what the static rules predict: pass, fail, or unknown.

    Args:
        placement: from `check.check`.
        package: the package it is about.
        within: the export folder to name in the gate's command instead of the package.
    """
    return judge(
        PREDICTED,
        str(package),
        share(placement),
        "at least",
        EVERY,
        UNIT,
        source="predicted",
        command=f"pipersr-build verify {within or package}",
        note=_note(placement),
    )


def plan_gate(plan: Placement | None, package: str | Path, within: str | None = None) -> Gate:
    """The gate on what Core ML's compute plan says; None, off a Mac, gives `not measured`.

    Args:
        plan: from `plan.dispatched`, which answers where Core ML *will* run each operation.
        package: the package it is about.
        within: the export folder to name in the gate's command instead of the package.
    """
    return judge(
        MEASURED,
        str(package),
        None if plan is None else share(plan),
        "at least",
        EVERY,
        UNIT,
        source="not measured" if plan is None else "measured",
        command=f"pipersr-build verify {within or package}",
        note="needs a Mac with macOS 14.4 or later" if plan is None else _note(plan),
    )


def _note(placement: Placement) -> str:
    """The counts, and the first operation that stands in the way."""
    yes, no, unknown = residency(placement)
    counts = f"{yes} yes, {no} no, {unknown} unknown"
    wanted = "no" if no else "unknown"
    for operation in placement.operations:
        if operation.verdict == wanted:
            reasons = "; ".join(operation.reasons)
            return f"{counts}; first {wanted}: {operation.operator} {operation.output_name!r}: {reasons}"
    return counts
