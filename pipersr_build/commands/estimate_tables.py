"""The tables of `estimate` for the terminal. All of it is predicted, and says so."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipersr_build.commands.variants import Estimate, Latency
from pipersr_build.placement import chips

_PLAIN: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
_COLOURS = {"yes": "green", "no": "red", "within the band": "yellow", "unknown": "dim"}
_RESIDENT = {True: "[green]all ANE[/]", False: "[red]not all ANE[/]", None: "not known"}


def packages(rows: Sequence[Estimate]) -> Table:
    """A column for each package: what it consists of and where it is expected to run."""
    table = Table(title="estimate (predicted; random weights)", title_justify="left", **_PLAIN)
    table.add_column("")
    for row in rows:
        table.add_column(row.package, justify="right")
    lines: dict[str, Callable[[Estimate], str]] = {
        "LR frame": lambda row: f"{row.width}x{row.height}",
        "operations": lambda row: f"{row.operations}",
        "parameters": lambda row: f"{row.parameters:,}",
        "GFLOP": lambda row: f"{row.gflop:,.4g}",
        "MB, every operation's": lambda row: f"{row.megabytes:,.4g}",
        "FLOP per byte": lambda row: f"{row.intensity:.3g}",
        "placement": lambda row: _RESIDENT[row.resident],
        "operations by verdict": lambda row: ", ".join(f"{n} {v}" for v, n in sorted(row.verdicts.items())),
    }
    for name, cell in lines.items():
        table.add_row(name, *map(cell, rows))
    return table


def latencies(rows: Sequence[Estimate], chosen: Sequence[str]) -> Table:
    """The band of every package on every chip, `chosen` chips first and apart."""
    table = _table("latency of a call in ms, predicted: expected (band)", rows)
    table.add_column("chip")
    for row in rows:
        table.add_column(row.package, justify="right")
    for index, one in enumerate(rows[0].latencies):
        cells = [_cell(row.latencies[index], one.chip in chosen) for row in rows]
        name = f"[bold]{one.chip}[/]" if one.chip in chosen else one.chip
        table.add_row(name, *cells, end_section=index == len(chosen) - 1)
    return table


def variants(rows: Sequence[Estimate]) -> Table:
    """A line for each package of each variant and chip; what is the same in all lines is in the title."""
    lines = [(row, one) for row in rows for one in row.latencies]
    columns = {
        **{key.rpartition(".")[2]: [row.varied[key] for row, _ in lines] for key in rows[0].varied},
        "package": [row.package for row, _ in lines],
        "chip": [one.chip for _, one in lines],
        "placement": [_RESIDENT[one.resident] for _, one in lines],
        "ops": [f"{row.operations}" for row, _ in lines],
        "params": [f"{row.parameters:,}" for row, _ in lines],
        "GFLOP": [f"{row.gflop:,.4g}" for row, _ in lines],
        "ms (band)": [figure(one) for _, one in lines],
        "target": [_target(one) for _, one in lines],
    }
    same = [name for name in ("package", "chip", "placement") if len(set(columns[name])) == 1]
    title = ["latency of a call, predicted", *(columns[name][0] for name in same)]
    shown = {name: cells for name, cells in columns.items() if name not in same and any(cells)}
    table = _table(", ".join(title), rows)
    for name in shown:
        table.add_column(
            name, justify="left" if name in ("package", "chip", "placement", "target") else "right"
        )
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    return table


def figure(one: Latency) -> str:
    """A band as a person reads it."""
    if one.expected is None:
        return "no rate known"
    mark = {True: "", False: "*", None: "?"}[one.resident]
    return f"{one.expected:.3g}{mark} ({one.low:.3g} to {one.high:.3g})"


def _cell(one: Latency, chosen: bool) -> str:
    bound = f", by {one.bound}" if chosen and one.bound else ""
    return f"{figure(one)}{bound}" + (f" {_target(one)}" if one.reaches else "")


def _target(one: Latency) -> str:
    return f"[{_COLOURS[one.reaches]}]{one.reaches}[/]" if one.reaches else ""


def _table(title: str, rows: Sequence[Estimate]) -> Table:
    below = "\n".join(notes(rows))
    return Table(title=title, title_justify="left", caption=below, caption_justify="left", **_PLAIN)


def notes(rows: Sequence[Estimate]) -> list[str]:
    """What a reader must know: how sure the band is, which rates nobody measured."""
    found = {one.regime for row in rows for one in row.latencies}
    kinds = chips.load().band.by_kind
    factors = " or ".join(f"{factor:g} ({kind})" for kind, factor in kinds.items() if kind in found)
    lines = [
        f"band: the spread of the rates in their sources, and the formula's own error, a factor of {factors}"
    ]
    guessed = {one.chip for row in rows for one in row.latencies if "conv" in one.inferred and one.expected}
    if guessed:
        ordered = [name for name in chips.load().chips if name in guessed]
        lines.append(f"rate inferred from related chips, measured on none: {', '.join(ordered)}")
    residents = {one.resident for row in rows for one in row.latencies}
    if None in residents:
        lines.append("where placement is not known (?), the latency is that of the engine alone")
    if False in residents:
        lines.append("what is not on the ANE (*) counts with Core ML's own estimate for the CPU, no latency")
    return lines


def bases(rows: Sequence[Estimate], chosen: Sequence[str]) -> list[str]:
    """On what the placement on the chosen chips rests, and what others report of it, each answer once."""
    mine = [one for row in rows for one in row.latencies if one.chip in chosen]
    lines = [f"placement: {basis}" for basis in dict.fromkeys(one.placement_basis for one in mine)]
    if any(one.chip not in chosen for row in rows for one in row.latencies):
        lines.append("on other chips it rests on other evidence, often weaker: see estimate.json (out=)")
    disputed = dict.fromkeys(text for row in rows for text in row.disputed)
    return lines + [f"not reproduced by the prediction: {text}" for text in disputed]
