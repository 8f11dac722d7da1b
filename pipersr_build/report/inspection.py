"""An inspection in the terminal."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipersr_build.inspection.inspect import LARGEST_FP16, LARGEST_SUM
from pipersr_build.inspection.record import Feature, FunctionReport, PackageReport
from pipersr_build.report.table import printable

_MARGINS = {
    "largest": ("largest value on the pictures", LARGEST_FP16, "fp16's largest"),
    "sum_on_pictures": ("partial sums at most, on the pictures", LARGEST_SUM, "the engine's sums end"),
    "sum_of_any": ("partial sums at most, of any input", LARGEST_SUM, "the engine's sums end"),
}


def view(report: PackageReport) -> Group:
    """What the package says of itself, its files, its functions with graph and weights, and its margins."""
    parts: list[RenderableType] = [printable(report.path, "bold"), _facts(report)]
    for function in report.functions:
        parts += _function(function, whole=function.name == report.default)
    return Group(*parts, _margins(report))


def _facts(report: PackageReport) -> Table:
    rows = {
        "description": report.description,
        "author": report.author,
        "licence": report.licence,
        "version": report.version,
        "runs on": f"{report.systems} and later (specification {report.specification})",
        "SHA-256": report.sha256,
        **{f"{name}, bytes": f"{size:,}" for name, size in report.bytes.items()},
        **report.stated,
    }
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(2):
        table.add_column(overflow="fold")  # hashes are of no use with their ends cut off
    for key, value in rows.items():
        table.add_row(printable(key, "dim"), printable(value or "not stated"))
    return table


def _function(function: FunctionReport, *, whole: bool) -> Iterator[RenderableType]:
    """Its features and counts; for the default one also its operations and weights."""
    total = sum(function.census.values())
    counts = ", ".join(f"{count} {kind}" for kind, count in function.census.items())
    yield Text()
    yield printable(f"function {function.name}", "bold")
    for way, features in (("in", function.inputs), ("out", function.outputs)):
        yield from (_feature(way, feature) for feature in features)
    yield printable(f"{total} operations of {function.operation_set} ({counts}), "
                    f"{function.parameters:,} parameters")  # fmt: skip
    if function.note:
        yield printable(f"not known: {function.note}")
    if whole:
        yield from (_operations(function), _weights(function))


def _feature(way: str, feature: Feature) -> Text:
    said = f": {feature.description}" if feature.description else ""
    return printable(f"{way} {feature.name} {feature.type}{said}")


def _operations(function: FunctionReport) -> Table:
    table = _table("operation", "type", "result", numbers=("largest", "sum, pictures", "sum, any input"))
    for op in function.operations:
        numbers = (op.largest, op.sum_on_pictures, op.sum_of_any)
        cells = (op.name, op.operator, op.result, *("" if n is None else f"{n:.4g}" for n in numbers))
        table.add_row(*map(printable, cells))
    return table


def _weights(function: FunctionReport) -> Table:
    numbers = ("least", "greatest", "mean", "deviation", "zeros", "subnormal")
    table = _table("weights of", "type (stored as)", numbers=numbers)
    for one in function.weights:
        found = [f"{n:.3g}" for n in (one.least, one.greatest, one.mean, one.deviation)]
        stored = "" if one.type.startswith(one.stored) else f" ({one.stored})"
        cells = (f"{one.operation} {one.argument}", f"{one.type}{stored}", *found)
        table.add_row(*map(printable, cells), str(one.zeros), str(one.subnormal))
    return table


def _table(*columns: str, numbers: Sequence[str]) -> Table:
    """A table whose words are folded where the terminal is narrow, and whose numbers are whole."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", ratio=1)
    for name in numbers:
        table.add_column("\n".join(name.split(", ")), justify="right", no_wrap=True)
    return table


def _margins(report: PackageReport) -> Table:
    """The largest numbers beside the limits that they must stay below."""
    table = _table("margin to overflow", numbers=("value", "limit", "times below"))
    table.add_column("what ends there")
    for key, (title, limit, what) in _MARGINS.items():
        value = report.margins[key]
        cells = ("not known", "") if value is None else (f"{value:.4g}", _times(limit, value))
        table.add_row(title, cells[0], f"{limit:,.0f}", cells[1], what)
    return table


def _times(limit: float, value: float) -> str:
    """How far below its limit a value is. A bound above it proves nothing: it need not be reached."""
    if value >= limit:
        return "not proved"
    return "all" if value == 0 else f"{limit / value:.3g}"
