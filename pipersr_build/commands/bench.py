"""`bench`: how fast packages are; and the toolkit's own timings, as ratios in one run."""

import importlib
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipersr_build import files, machine
from pipersr_build.benchmark.record import Benchmark, Figure, save
from pipersr_build.commands import arguments
from pipersr_build.config import Config, command_line, load
from pipersr_build.errors import InputError
from pipersr_build.progress import say

PACKAGES, TOOLKIT = "packages", "toolkit"
SUITES = ("startup", "export", "training", "step", "sampling")
ON_REQUEST = ("gpu", "interpreter", "pipeline")  # need a GPU, the extra `onnx`, an idle machine


def main(words: list[str]) -> int:
    """Time packages, or run what is named; 0 if every figure is within its limit, else 1."""
    names, overrides = arguments.split(words)
    first = str(names[0]) if names else PACKAGES
    rest = _without(words, first)
    if first == PACKAGES:
        return _packages(rest)
    config = load(overrides)
    if first in TABLES:
        return TABLES[first](rest, config)
    return _timings([str(name) for name in names], words, config)


def _without(words: list[str], name: str) -> list[str]:
    """The words without the suite's name, wherever it stands."""
    at = next((index for index, word in enumerate(words) if str(Path(word)) == name), len(words))
    return [*words[:at], *words[at + 1 :]]


def _timings(names: list[str], words: list[str], config: Config) -> int:
    """Suites of timings, each figure with a limit; all of them make one record."""
    suites = [suite for name in names for suite in (SUITES if name == TOOLKIT else (name,))]
    for suite in suites:
        if suite not in (*SUITES, *ON_REQUEST):
            known = ", ".join((PACKAGES, TOOLKIT, *SUITES, *ON_REQUEST, *TABLES))
            raise InputError(f"no benchmark {suite!r}", where="command line", fix=f"choose from {known}")
    figures: list[Figure] = []
    for suite in suites:
        say(f"measuring {suite} …")
        figures += importlib.import_module(f"pipersr_build.benchmark.{suite}").measure()
    path = _place(config, "-".join(suites))
    save(Benchmark(provenance=machine.provenance(command_line("bench", words)), figures=figures), path)
    Console().print(_table(figures))
    _show(f"record: {path}")
    return 0 if all(figure.holds for figure in figures) else 1


def _place(config: Config, name: str) -> Path:
    """Where the record of a suite is written."""
    return Path(config.runs) / "bench" / f"{name}.json"


def _show(*texts: str) -> None:
    for text in texts:
        Console().print(text, highlight=False, markup=False, soft_wrap=True)


def _packages(words: list[str]) -> int:
    """How fast packages are here."""
    from pipersr_build.commands import bench_packages

    return bench_packages.main(words)


def _ablation(words: list[str], config: Config) -> int:
    """Train the ablation's variants; they have no limits to hold."""
    from pipersr_build.benchmark import ablation

    path = _place(config, "ablation")
    _show(ablation.table(ablation.main(words, path)), f"record: {path}")
    return 0


def _comparison(words: list[str], config: Config) -> int:
    """Train networks alike and measure them; the table has no limits to hold."""
    from pipersr_build.benchmark import comparison, comparison_record

    path = _place(config, "comparison")
    record = comparison.main(words, path)
    files.write_text(path.with_suffix(".svg"), comparison_record.plot(record))
    _show(comparison_record.table(record), f"record: {path}, plot: {path.with_suffix('.svg')}")
    return 0


def _agreement(words: list[str], config: Config) -> int:
    """Predicted placement against a truth: `agreement PACKAGES TRUTH`."""
    from pipersr_build.placement import agreement

    paths = arguments.split(words)[0]
    if len(paths) != 2:
        fix = "give the packages (a folder or a zip) and the truth (JSON lines)"
        raise InputError(f"agreement takes two paths, not {len(paths)}", where="command line", fix=fix)
    command, path = command_line("bench agreement", words), _place(config, "agreement")
    record = agreement.compare(paths[0], paths[1], chip=config.placement.chip, command=command)
    agreement.save(record, path)
    _show(agreement.table(record), *record.differences, f"record: {path}")
    return 0


def _zoo(words: list[str], config: Config) -> int:
    """Take small networks of others' architectures through the export; the table has no limits to hold."""
    from pipersr_build.benchmark import zoo

    path = _place(config, "zoo")
    record = zoo.main(words, path, chip=config.placement.chip, target=config.target.deployment)
    _show(zoo.table(record), f"record: {path}")
    return 0


def _formats(words: list[str], config: Config) -> int:
    """Take the networks through ONNX and Core AI; the table has no limits to hold."""
    from pipersr_build.benchmark import formats
    from pipersr_build.commands import bench_formats

    path = _place(config, "formats")
    _show(formats.table(bench_formats.main(words, path)), f"record: {path}")
    return 0


def _quantization(words: list[str], config: Config) -> int:
    """What 8 bits cost networks that were made differently; the table has no limits to hold."""
    from pipersr_build.benchmark import quantization, quantization_record

    path = _place(config, "quantization")
    _show(quantization_record.table(quantization.main(words, path)), f"record: {path}")
    return 0


def _compression(words: list[str], config: Config) -> int:
    """What fewer bits cost the packages of a network; the table has no limits to hold."""
    from pipersr_build.benchmark import compression, compression_record

    path = _place(config, "compression")
    _show(compression_record.table(compression.main(words, path)), f"record: {path}")
    return 0


def _numerics(words: list[str], config: Config) -> int:
    """What the engine's arithmetic may do to pictures, simulated; the tables have no limits to hold."""
    from pipersr_build.benchmark import numerics, numerics_record

    path = _place(config, "numerics")
    record = numerics.main(words, path)
    _show(numerics_record.table(record), numerics_record.margin_table(record), f"record: {path}")
    return 0


def _latency(words: list[str], config: Config) -> int:
    """The latency estimate against published figures; 1 where the shipped errors are not what they imply."""
    from pipersr_build.benchmark import latency, latency_tables
    from pipersr_build.placement import chips
    from pipersr_build.report.latency_plot import roofline_plot

    if more := arguments.split(words)[0]:
        fix = "bench latency takes no more words"
        raise InputError(f"{str(more[0])!r} is not understood", where="command line", fix=fix)
    path, plot = _place(config, "latency"), _place(config, "latency").with_suffix(".svg")
    record = latency.check(machine.provenance(command_line("bench latency", words)))
    latency.save(record, path)
    files.write_text(plot, roofline_plot(record.roofline))
    _show(latency_tables.table(record), latency_tables.claim_table(record))
    _show(f"record: {path}, plot: {plot}")
    return 0 if chips.load().band.by_kind == record.errors else 1


TABLES: dict[str, Callable[[list[str], Config], int]] = {
    "ablation": _ablation,
    "agreement": _agreement,
    "comparison": _comparison,
    "compression": _compression,
    "formats": _formats,
    "latency": _latency,
    "numerics": _numerics,
    "quantization": _quantization,
    "zoo": _zoo,
}


def _table(figures: list[Figure]) -> Table:
    table = Table(title="benchmarks", title_justify="left")
    for column in ("figure", "value", "limit", "verdict", "detail"):
        table.add_column(column, overflow="fold")
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
