"""A placement made ready for a page: its drawing and its legend."""

from dataclasses import dataclass

from markupsafe import Markup

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement.analysis import FunctionAnalysis
from pipersr_build.report import charts
from pipersr_build.report.placement_facts import MEANINGS, estimates_line, placement_summary, residency


@dataclass(frozen=True)
class PlacementView:
    """One answer about a function's placement, and its drawing where there are operations."""

    title: str
    placement: Placement | None
    strip: Markup | None

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The verdicts that occur, and what they mean."""
        found = residency(self.placement).verdicts if self.placement is not None else {}
        return [(verdict, MEANINGS[verdict]) for verdict in found]


def heading(function: FunctionAnalysis, name: str, chip: str) -> str:
    """`net.mlpackage, function main: predicted for M4 (h16)`."""
    how = f"predicted for {chip}"
    if function.measured is not None:
        how = f"measured on this machine with Core ML's compute plan, and {how}"
    return f"{name}, function {function.name}: {how}"


def placement_view(title: str, placement: Placement | None, key: str) -> PlacementView:
    """A placement and its strip; `key` is unique in the page."""
    return PlacementView(title, placement, _strip(placement, key))


def _strip(placement: Placement | None, key: str) -> Markup | None:
    if placement is None or not placement.operations:
        return None
    cells = [(f"op-{op.verdict}", _told(number, op)) for number, op in enumerate(placement.operations, 1)]
    svg = charts.strip(
        cells,
        key=key,
        title="Operations in order, coloured by where they are said to run",
        description=f"{placement_summary(placement)} ({placement.source})",
    )
    return Markup(svg)  # safe: the charts escape their text


def _told(number: int, operation: OperationPlacement) -> str:
    """What a pointer resting on an operation's cell reads."""
    first = f"{number}. {operation.operator} {operation.output_name}: {operation.verdict}"
    return "\n".join([first, *operation.reasons, *filter(None, [estimates_line(operation)])])
