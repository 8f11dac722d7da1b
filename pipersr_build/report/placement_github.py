"""Residency as GitHub Actions' workflow commands, which show as annotations of a run.

What the engine cannot run and what differs from a pin are errors; what another device is chosen for, or
nothing is known about, are warnings. GitHub shows only the first few of each kind, so that every function
begins with a line on the whole of it.
"""

from collections.abc import Iterator
from typing import Literal

from pipersr_build.placement.analysis import FunctionAnalysis, Verification
from pipersr_build.report.placement_facts import placement_summary

Level = Literal["error", "warning", "notice"]


def annotations(found: Verification) -> Iterator[str]:
    """The lines to print."""
    for name, analysis in found.named:
        if analysis.error is not None:
            yield command("error", f"{name} cannot be judged", str(analysis.error))
        for function in analysis.functions:
            yield from _function(name, function, found)
    for change in found.changes or ():
        yield command("error", "Placement differs from the pin", change)


def _function(name: str, function: FunctionAnalysis, found: Verification) -> Iterator[str]:
    answer = function.answer
    passes = found.passes(answer)
    title = f"{name}, {function.name}: {'passes' if passes else 'fails'} ({answer.source})"
    yield command("notice" if passes else "error", title, placement_summary(answer))
    for op in answer.operations:
        if not found.accepts(op):
            level: Level = "error" if op.verdict == "hard" else "warning"
            text = "\n".join([f"{op.operator} {op.output_name}", *op.reasons, *op.advice])
            yield command(level, f"{name}, {function.name}: {op.verdict} ({answer.source})", text)


def command(level: Level, title: str, message: str) -> str:
    """One workflow command, escaped as GitHub asks: `::error title=…::…`."""
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    value = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    value = value.replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={value}::{data}"
