"""The gates as one table for the terminal."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipersr_build.evidence import Evidence, Gate
from pipersr_build.report import facts

_STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow", "not measured": "dim"}


def gates_table(gates: Evidence | Iterable[Gate]) -> Table:
    """A table gate | subject | value | threshold | verdict, and under it what would fill its gaps.

    A verdict that is a prediction says so (`pass (predicted)`). Below the table stands one line for
    each distinct command that would measure what is not measured.
    """
    shown = list(gates.gates if isinstance(gates, Evidence) else gates)
    below = _below(shown)
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
        caption=below or None,
        caption_justify="left",
        caption_style="",
        # a caption is folded at the table's width: where the terminal allows it, make room for the
        # longest command, so that it can be copied in one piece
        min_width=max(map(len, below.plain.splitlines()), default=0),
    )
    _add_columns(table)
    for gate, following in zip(shown, [*shown[1:], None], strict=True):
        table.add_row(*_row(gate), end_section=following is not None and following.subject != gate.subject)
    return table


def _add_columns(table: Table) -> None:
    table.add_column("gate", overflow="fold")
    table.add_column("subject", overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("threshold", justify="right", overflow="fold")
    table.add_column("verdict", overflow="fold")


def _row(gate: Gate) -> list[Text]:
    """The cells of one gate, as `Text`: a record's brackets are not to be read as rich's markup."""
    style = _STYLES[gate.verdict]
    cells = [gate.name, facts.subject_label(gate), facts.value_label(gate), facts.threshold_label(gate)]
    quiet = "dim" if gate.verdict == "not measured" else ""
    return [*(printable(cell, quiet) for cell in cells), printable(facts.verdict_label(gate), style)]


def _below(gates: list[Gate]) -> Text:
    """The commands that would measure the gaps, a line each; empty if there are no gaps."""
    commands = facts.missing_commands(gates)
    lines = ["To measure what is not measured:", *(f"  {command}" for command in commands)]
    return Text("\n").join(printable(line) for line in lines if commands)


def printable(words: str, style: str = "") -> Text:
    """Text without control characters, which could move the terminal's cursor or recolour it."""
    return Text("".join(c if c.isprintable() else " " for c in words), style=style)
