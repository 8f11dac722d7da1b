"""The graphs of an export's packages: packages that are alike but for their sizes share a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipersr_build.evidence import PackageRecord, Placement
from pipersr_build.report.graph_layout import Layout, layout
from pipersr_build.report.graph_svg import MOST_ROWS, graph_svg
from pipersr_build.report.placement_facts import MEANINGS, placement_summary


@dataclass(frozen=True)
class GraphView:
    """One drawing, the packages that it is of, and whose answer its colours give."""

    labels: tuple[str, ...]
    layout: Layout
    placement: Placement
    svg: Markup | None

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The verdicts that occur, and what they mean."""
        found = {row.verdict for row in self.layout.rows}
        return [(verdict, meaning) for verdict, meaning in MEANINGS.items() if verdict in found]


def graph_views(packages: Sequence[PackageRecord]) -> list[GraphView]:
    """A drawing for every kind of graph among the packages; those without a record are left out."""
    groups: dict[object, tuple[list[str], Layout, Placement]] = {}
    for package in packages:
        placement = _answer(package)
        if not package.graph or placement is None:
            continue
        found = layout(package.graph, {op.output_name: op.verdict for op in placement.operations})
        groups.setdefault((found.shape, placement.source), ([], found, placement))[0].append(package.label)
    return [
        GraphView(tuple(labels), found, placement, _drawn(labels, found, placement, f"graph-{number}"))
        for number, (labels, found, placement) in enumerate(groups.values(), 1)
    ]


def _answer(package: PackageRecord) -> Placement | None:
    """Core ML's own where it was read, else the prediction."""
    answers = (package.compute_plan, package.placement)
    return next((one for one in answers if one is not None and one.operations), None)


def _drawn(labels: Sequence[str], found: Layout, placement: Placement, key: str) -> Markup | None:
    if len(found.rows) > MOST_ROWS:
        return None
    repeated = "; ".join(
        f"operations {found.rows[b.first].number} to {found.rows[b.last].number} stand {b.times} times"
        for b in found.blocks
    )
    svg = graph_svg(
        found,
        key=key,
        title=f"Graph of {labels[0]}, coloured by where its operations are said to run",
        description=f"{placement_summary(placement)} ({placement.source}). {repeated}".strip(),
    )
    return Markup(svg)  # safe: the drawing escapes its text
