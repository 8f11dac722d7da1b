"""A function's graph made ready to be drawn: repeated blocks folded, connections as neighbours or arcs."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from pipersr_build.evidence import PlacementVerdict
from pipersr_build.evidence.figures import Node

_LONGEST = 120  # operations of a block that is looked for


@dataclass(frozen=True)
class Row:
    """An operation that is drawn: its number in program order (from 1), and how often its block repeats."""

    node: Node
    number: int
    verdict: PlacementVerdict
    times: int


@dataclass(frozen=True)
class Block:
    """Rows `first` to `last`, both included, that stand for `times` blocks one after the other."""

    first: int
    last: int
    times: int


@dataclass(frozen=True)
class Layout:
    """What is drawn.

    Attributes:
        inputs: the function's inputs, by name.
        rows: in program order.
        blocks: the folded ones, in order.
        joined: rows that read the row before them (the first row: an input).
        arcs: connections that skip rows, as pairs of rows; row -1 is the inputs.
        lanes: for each arc how far from the rows it runs, so that none lies upon another.
    """

    inputs: tuple[str, ...]
    rows: tuple[Row, ...]
    blocks: tuple[Block, ...]
    joined: frozenset[int]
    arcs: tuple[tuple[int, int], ...]
    lanes: tuple[int, ...]

    @property
    def shape(self) -> Hashable:
        """What two drawings have in common that differ in sizes and names only."""
        kinds = tuple((row.node.operator, row.verdict, row.times) for row in self.rows)
        return kinds, self.blocks, self.joined, self.arcs


def layout(nodes: Sequence[Node], verdicts: Mapping[str, PlacementVerdict]) -> Layout:
    """Fold and connect the operations.

    Args:
        nodes: of one function, in program order.
        verdicts: by the operations' names; those without count as unknown.
    """
    at = {node.name: index for index, node in enumerate(nodes)}
    found = [verdicts.get(node.name, "unknown") for node in nodes]
    signs = [
        (node.operator, verdict, *node.shape, *sorted(at[r] - i if r in at else 1 for r in node.reads))
        for i, (node, verdict) in enumerate(zip(nodes, found, strict=True))
    ]
    place: list[int] = []  # the row of every operation
    rows: list[Row] = []
    blocks: list[Block] = []
    for start, period, times in folded(signs):
        first = len(rows)
        members = range(start, start + period)
        rows += [Row(nodes[i], i + 1, found[i], times) for i in members]
        place += [first + n for _ in range(times) for n in range(period)]
        blocks += [Block(first, first + period - 1, times)] * (times > 1)
    joined, arcs = _connections(rows, {name: place[index] for name, index in at.items()})
    inputs = dict.fromkeys(read for node in nodes for read in node.reads if read not in at)
    return Layout(tuple(inputs), tuple(rows), tuple(blocks), joined, arcs, _lanes(arcs))


def folded(signs: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Cut a sequence into runs (start, period, times) that say the same thing `times` times.

    A run that does not repeat has one member. Of all repetitions that begin at a place the one is taken
    that saves most, and it must save two members at least.
    """
    runs, start = [], 0
    while start < len(signs):
        period, times = max(
            ((p, _times(signs, start, p)) for p in range(1, min((len(signs) - start) // 2, _LONGEST) + 1)),
            key=lambda run: (run[0] * (run[1] - 1), -run[0]),
            default=(1, 1),
        )
        if period * (times - 1) < 2:
            period, times = 1, 1
        runs.append((start, period, times))
        start += period * times
    return runs


def _times(signs: Sequence[Hashable], start: int, period: int) -> int:
    """How often the first `period` members stand one after the other."""
    times = 1
    while all(
        (j := start + times * period + n) < len(signs) and signs[j] == signs[start + n] for n in range(period)
    ):
        times += 1
    return times


def _connections(
    rows: Sequence[Row], place: Mapping[str, int]
) -> tuple[frozenset[int], tuple[tuple[int, int], ...]]:
    pairs = {(place.get(read, -1), index) for index, row in enumerate(rows) for read in row.node.reads}
    joined = frozenset(index for source, index in pairs if source == index - 1)
    # the first of a block reads what is before it, and in the drawing also the block's own end
    return joined, tuple(sorted((a, b) for a, b in pairs if a < b - 1))


def _lanes(arcs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The nearest free lane for every arc; short arcs choose first."""
    taken: list[list[tuple[int, int]]] = []
    chosen = {}
    for arc in sorted(arcs, key=lambda arc: (arc[1] - arc[0], arc)):
        lane = next((i for i, lane in enumerate(taken) if not any(_meet(arc, o) for o in lane)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(arc)
        chosen[arc] = lane
    return tuple(chosen[arc] for arc in arcs)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
