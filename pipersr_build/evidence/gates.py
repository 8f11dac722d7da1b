"""What must hold, and the words for how it is known."""

from typing import Literal

from pipersr_build.evidence.base import Record

Source = Literal["measured", "predicted", "not measured"]
Verdict = Literal["pass", "fail", "unknown", "not measured"]
Direction = Literal["at least", "at most"]


class Gate(Record):
    """One thing that must hold: its value, its threshold and the verdict.

    `value` is None where nothing is known; `command` measures it (or would, on the right machine).
    """

    name: str
    subject: str
    value: float | None
    direction: Direction
    threshold: float
    unit: str
    source: Source
    verdict: Verdict
    command: str
    note: str = ""


def judge(
    name: str,
    subject: str,
    value: float | None,
    direction: Direction,
    threshold: float,
    unit: str,
    *,
    source: Source = "measured",
    command: str,
    note: str = "",
) -> Gate:
    """Make a gate and its verdict. No value gives `not measured`, or `unknown` for a prediction."""
    verdict: Verdict
    if value is None:
        verdict = "unknown" if source == "predicted" else "not measured"
    else:
        verdict = (
            "pass" if (value >= threshold if direction == "at least" else value <= threshold) else "fail"
        )
    return Gate(
        name=name,
        subject=subject,
        value=value,
        direction=direction,
        threshold=threshold,
        unit=unit,
        source=source,
        verdict=verdict,
        command=command,
        note=note,
    )
