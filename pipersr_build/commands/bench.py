"""`bench`: timings as ratios in one run."""

import importlib
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipersr_build import machine
from pipersr_build.benchmark.record import Benchmark, Figure, save
from pipersr_build.commands import arguments
from pipersr_build.config import command_line, load
from pipersr_build.errors import InputError
from pipersr_build.progress import say

SUITES = ("startup", "export", "training", "step", "sampling")
ON_REQUEST = ("gpu",)  # needs one


def main(words: list[str]) -> int:
    """Run the suites that are named (all by default); 0 if every figure is within its limit, else 1."""
    names, overrides = arguments.split(words)
    config = load(overrides)
    if names and str(names[0]) == "ablation":
        return _ablation(words[1:], Path(config.runs) / "bench" / "ablation.json")
    suites = [str(name) for name in names] or list(SUITES)
    for suite in suites:
        if suite not in (*SUITES, *ON_REQUEST):
            known = ", ".join((*SUITES, *ON_REQUEST, "ablation"))
            raise InputError(f"no benchmark {suite!r}", where="command line", fix=f"choose from {known}")
    figures: list[Figure] = []
    for suite in suites:
        say(f"measuring {suite} …")
        figures += importlib.import_module(f"pipersr_build.benchmark.{suite}").measure()
    path = Path(config.runs) / "bench" / f"{'-'.join(suites)}.json"
    save(Benchmark(provenance=machine.provenance(command_line("bench", words)), figures=figures), path)
    Console().print(_table(figures))
    Console().print(f"record: {path}", highlight=False)
    return 0 if all(figure.holds for figure in figures) else 1


def _ablation(words: list[str], path: Path) -> int:
    """Train the ablation's variants; they have no limits to hold."""
    from pipersr_build.benchmark import ablation

    record = ablation.main(words, path)
    Console().print(ablation.table(record), highlight=False)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _table(figures: list[Figure]) -> Table:
    table = Table(title="benchmarks", title_justify="left")
    for column in ("figure", "value", "limit", "verdict", "detail"):
        table.add_column(column)
    for figure in figures:
        verdict = "[green]pass[/]" if figure.holds else "[red]fail[/]"
        table.add_row(
            figure.name,
            f"{figure.value:.3f} {figure.unit}",
            figure.bound,
            verdict,
            figure.detail,
        )
    return table
