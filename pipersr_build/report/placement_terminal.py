"""A package's placement for the terminal: a bar, a line of totals, and what is not on the ANE."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipersr_build.evidence import RESIDENT, OperationPlacement, Placement, PlacementVerdict
from pipersr_build.placement.analysis import Analysis, FunctionAnalysis, Verification
from pipersr_build.placement.witness import compare, disagreements
from pipersr_build.report.placement_facts import (
    MEANINGS,
    latency_line,
    placement_summary,
    totals_line,
    worst,
)
from pipersr_build.report.placement_view import heading
from pipersr_build.report.table import printable

WIDTH = 60  # cells of the bar at most
# a glyph for each verdict, so that the bar can be read without colours too
GLYPHS: dict[PlacementVerdict, tuple[str, str]] = {
    "ane": ("█", "green"),
    "tie": ("▓", "cyan"),
    "soft": ("▒", "yellow"),
    "hard": ("×", "bold red"),
    "dynamic": ("~", "magenta"),
    "unknown": ("?", "bold yellow"),
}
DEMANDS = {"will": "is resident on the ANE", "can": "can run on the ANE"}
Row = tuple[OperationPlacement, str]  # an operation, and what the other witness says about it


def package_view(analysis: Analysis, name: str, chip: str) -> Iterator[RenderableType]:
    """What the terminal shows of one package; `chip` says in words what predictions are for."""
    for function in analysis.functions:
        yield function_view(function, name, chip)
        yield Text()
    if analysis.unmeasured is not None:
        yield printable(f"{name}: not measured: {analysis.unmeasured.what}", "yellow")
        yield Text()


def function_view(function: FunctionAnalysis, name: str, chip: str) -> RenderableType:
    """One function: what is predicted, beside it what is measured, and every operation not on the ANE."""
    parts: list[RenderableType] = [printable(heading(function, name, chip), "bold")]
    for placement in filter(None, (function.predicted, function.measured)):
        both = function.measured is not None
        parts += _answer(placement, f"{placement.source}: " if both else "")
    if function.measured is not None:
        differ = disagreements(compare(function.predicted, function.measured))
        parts.append(_indented(Text(f"prediction and measurement disagree on {differ} operations")))
    rows = _rows(function)
    if rows:
        parts.append(_table(rows, both=function.measured is not None))
    parts += _notes(function, rows)
    return Group(*parts)


def _answer(placement: Placement, label: str) -> Iterator[RenderableType]:
    yield _indented(bar(placement.operations))
    yield _indented(printable(f"{label}{placement_summary(placement)}"))
    for line in filter(None, (totals_line(placement), latency_line(placement), f"basis: {placement.basis}")):
        yield _indented(printable(line, "dim"))


def bar(operations: Sequence[OperationPlacement]) -> Text:
    """The operations in order, coloured by verdict; several in a cell show the gravest one's."""
    verdicts = [operation.verdict for operation in operations]
    cells = min(len(verdicts), WIDTH)
    drawn = Text()
    for cell in range(cells):
        part = verdicts[cell * len(verdicts) // cells : (cell + 1) * len(verdicts) // cells]
        drawn.append(*GLYPHS[worst(part)])
    for verdict in residency_verdicts(operations):
        glyph, style = GLYPHS[verdict]
        drawn.append("  ").append(glyph, style).append(f" {verdict}", "dim")
    return drawn


def residency_verdicts(operations: Sequence[OperationPlacement]) -> list[PlacementVerdict]:
    """The verdicts that occur, in the order of the legend."""
    found = {operation.verdict for operation in operations}
    return [verdict for verdict in MEANINGS if verdict in found]


def _rows(function: FunctionAnalysis) -> list[Row]:
    """Operations that are not on the ANE, and those on which the two witnesses disagree."""
    if function.measured is None:
        return [(op, "") for op in function.predicted.operations if op.verdict not in RESIDENT]
    predicted = {op.output_name: op for op in function.predicted.operations}
    either = predicted | {op.output_name: op for op in function.measured.operations}
    rows: list[Row] = []
    for row in compare(function.predicted, function.measured):
        inserted = row.predicted is None
        if inserted or row.agree is False or (row.measured or row.predicted) not in RESIDENT:
            advice = predicted[row.output_name].advice if not inserted else []
            op = either[row.output_name].model_copy(update={"advice": advice})
            rows.append((op, row.predicted or "–"))
    return rows


def _table(rows: Sequence[Row], *, both: bool) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=False)
    table.add_column("operations, by their outputs", overflow="fold", ratio=2)
    table.add_column("measured" if both else "predicted", no_wrap=True)
    if both:
        table.add_column("predicted", no_wrap=True)
    table.add_column("why, and what to change", overflow="fold", ratio=3)
    for group in _grouped(rows):
        op, told = group[0]
        names = ", ".join(f"{each.operator} {each.output_name}" for each, _ in group)
        verdicts = [_verdict(op.verdict)] + [printable(told)] * both
        table.add_row(printable(names), *verdicts, _why(op))
    return _indented(table)


def _grouped(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Operations of which the same is to be said, together, in the order of the first."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for op, told in rows:
        key = (op.verdict, told, tuple(op.reasons), tuple(op.advice), op.inserted)
        groups.setdefault(key, []).append((op, told))
    yield from groups.values()


def _notes(function: FunctionAnalysis, rows: Sequence[Row]) -> Iterator[RenderableType]:
    """The warnings on the whole function, without those that the table already gives as advice."""
    said = {change.rpartition(" [")[0] or change for op, _ in rows for change in op.advice}
    for text in dict.fromkeys(function.predicted.warnings + function.answer.warnings):
        if not any(change in text for change in said):
            yield _indented(printable(f"note: {text}", "dim"))


def _verdict(verdict: PlacementVerdict) -> Text:
    return Text(verdict, style=GLYPHS[verdict][1])


def _why(op: OperationPlacement) -> Text:
    lines = [printable(reason) for reason in op.reasons]
    lines += [printable("added by Core ML: the package does not have it")] * op.inserted
    lines += [printable(f"→ {change}", "cyan") for change in op.advice]
    return Text("\n").join(lines)


def conclusion(analysis: Analysis, name: str, found: Verification) -> Text:
    """One line on a package: that every operation is resident, or what stands in the way."""
    if analysis.error is not None:
        return printable(f"{name}: {analysis.error.what}", "bold red")
    for function in analysis.functions:
        if not found.passes(function.answer):
            counts = Counter(op.verdict for op in function.answer.operations if not found.accepts(op))
            why = ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "it has no operation"
            text = f"{name}, function {function.name}: not every operation {DEMANDS[found.require]}: {why}"
            return printable(f"{text} ({function.answer.source})", "red")
    sources = " and ".join(dict.fromkeys(function.answer.source for function in analysis.functions))
    return printable(f"{name}: every operation {DEMANDS[found.require]} ({sources})", "green")


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
