"""What to change: advice for every operation and for the whole function, from the rule file's advice rows.

A row finds its places by a condition on one operation, or by a detector on the whole graph. Rows that
name verdicts speak to operations with that prediction alone; the others are about cost, memory and
accuracy, and are warnings about the whole as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.mil.package import Interface
from pipersr_build.placement import profile
from pipersr_build.placement.conditions import mismatches, show
from pipersr_build.placement.detectors import DETECTORS, Place, called
from pipersr_build.placement.profile import Profile
from pipersr_build.placement.quantities import QUANTITIES, Graph, Subject
from pipersr_build.placement.rules import Advice, Family, Rules
from pipersr_build.placement.scene import Scene
from pipersr_build.placement.words import WORDS, Site

Estimated = Callable[[Subject], float | None]  # ms on the engine
NAMED = 3  # as many places as a warning names before it counts the rest


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of advice at one place, as a sentence with the numbers of that place."""

    row: Advice
    place: Place
    text: str


def advise(
    placement: Placement, graph: Graph, interface: Interface | None, table: Rules, family: Family
) -> Placement:
    """The placement with advice in its operations and with warnings about the whole.

    Args:
        placement: the predicted placement of the graph's function.
        graph: the function.
        interface: its inputs and outputs as callers see them, if known.
        table: the rules.
        family: the chip family.
    """
    found = findings(graph, interface, table, family, placement)
    advice = _by_operation(found, table)
    operations = [
        op.model_copy(update={"advice": advice[op.output_name]}) if op.output_name in advice else op
        for op in placement.operations
    ]
    return placement.model_copy(update={"operations": operations, "warnings": _grouped(found, table)})


def changes(
    placement: Placement, graph: Graph, interface: Interface | None, table: Rules, family: Family
) -> dict[str, list[str]]:
    """The advice per operation, by output name; arguments as of `advise`."""
    return _by_operation(findings(graph, interface, table, family, placement), table)


def warnings(
    graph: Graph,
    interface: Interface | None,
    table: Rules,
    family: Family,
    placement: Placement | None = None,
) -> list[str]:
    """The advice that holds for a function on a chip whatever the verdicts, with its places and sources.

    Without `interface` the warnings about images and flexible sizes go by the function's own types;
    without `placement` there is none about what is expected to run where.
    """
    return _grouped(findings(graph, interface, table, family, placement), table)


def disputed(graph: Graph, interface: Interface | None, table: Rules, family: Family) -> list[str]:
    """What others report of such a function and the prediction does not reproduce, with the sources."""
    found = [one for one in findings(graph, interface, table, family, None) if one.row.disputed]
    cited = (f"{one.text} (source: {'; '.join(table.cite(one.row.sources))})" for one in found)
    return list(dict.fromkeys(cited))


def findings(
    graph: Graph, interface: Interface | None, table: Rules, family: Family, placement: Placement | None
) -> list[Finding]:
    """Every row of advice at every place where it applies, in the rows' order."""
    known = profile.for_family(family)
    scene = Scene(graph, interface, placement, None if known is None else known.costs)
    sites = _sites(graph, placement, _estimate(known))
    rows = [row for row in table.advice if family in row.chips]
    found = [
        Finding(row, place, _sentence(row, place, sites))
        for row in rows
        for place in _places(row, scene, sites)
    ]
    taken: dict[str, set[str]] = defaultdict(set)
    for finding in found:
        taken[finding.place.label].add(finding.row.id)
    return [finding for finding in found if taken[finding.place.label].isdisjoint(finding.row.unless)]


def _estimate(known: Profile | None) -> Estimated | None:
    """What Core ML is expected to estimate for an operation on the engine, if the chip's rates are known."""
    if known is None:
        return None

    def on_engine(subject: Subject) -> float | None:
        estimate = known.estimate(subject)
        return None if estimate is None else estimate.ane

    return on_engine


def _sites(graph: Graph, placement: Placement | None, estimate: Estimated | None) -> dict[str, Site]:
    """The operations with their placement, by name, in program order."""
    records = {} if placement is None else {op.output_name: op for op in placement.operations}
    total = sum(map(_time, records.values()))
    return {
        op.name: Site(Subject(op, graph), records.get(op.name), total, estimate)
        for op in graph.function.walk()
    }


def _time(op: OperationPlacement) -> float:
    """Its estimate on the device where it is expected, else on the engine; 0 where there is none."""
    if op.estimates is None:
        return 0.0
    return (op.estimates.cpu_ms if op.preferred == "cpu" else op.estimates.ane_ms) or 0.0


def _places(row: Advice, scene: Scene, sites: dict[str, Site]) -> Iterator[Place]:
    """Where a row applies."""
    if row.detector is not None:
        places = DETECTORS[row.detector](scene, row)
    else:
        operations = (site.subject.operation for site in sites.values())
        places = (Place(called(op), op) for op in operations if row.concerns(op.type))
    yield from (p for p in places if p.operation is None or _fits(row, sites[p.operation.name]))


def _fits(row: Advice, site: Site) -> bool:
    """Whether the row's condition holds, and the operation has a verdict that the row is for."""
    judged = not row.verdicts or (site.record is not None and site.record.verdict in row.verdicts)
    return judged and not mismatches(row.when, site.subject)


def _sentence(row: Advice, place: Place, sites: dict[str, Site]) -> str:
    """The row's text with the numbers of the place."""
    if place.operation is None:
        return row.text.format_map(place.words)
    site = sites[place.operation.name]
    words = {
        "operator": place.operation.type,
        "dtypes": " and ".join(dict.fromkeys(t.dtype for t in site.subject.tensors)),
        "shapes": " and ".join(dict.fromkeys(str(t) for t in site.subject.operands)) or "constants",
    }
    numbers = {n: show(site.subject.number(n)) for n in QUANTITIES if f"{{{n}}}" in row.text}
    computed = {name: word(site) for name, word in WORDS.items() if f"{{{name}}}" in row.text}
    return row.text.format_map(words | numbers | computed | place.words)


def _by_operation(found: Sequence[Finding], table: Rules) -> dict[str, list[str]]:
    """The sentences per operation, each with the kind of its evidence."""
    advice: dict[str, list[str]] = defaultdict(list)
    for finding in found:
        if finding.place.operation is not None:
            text = f"{finding.text} [{_evidence(finding.row, table)}]"
            own = advice[finding.place.operation.name]
            own += [text] if text not in own else []
    return dict(advice)


def _evidence(row: Advice, table: Rules) -> str:
    return ", ".join(dict.fromkeys(table.sources[name].evidence for name in row.sources))


def _grouped(found: Sequence[Finding], table: Rules) -> list[str]:
    """Warnings: equal sentences once, with the places and the sources."""
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in found:
        if not finding.row.verdicts:
            groups[finding.row.id, finding.text].append(finding)
    return [
        f"{_listed([f.place.label for f in group])}: {group[0].text}"
        f" (source: {'; '.join(table.cite(group[0].row.sources))})"
        for group in groups.values()
    ]


def _listed(places: Sequence[str]) -> str:
    once = list(dict.fromkeys(places))
    more = len(once) - NAMED
    return ", ".join(once[:NAMED]) + (f" and {more} more" if more > 0 else "")
