"""`bench`: how fast packages are; and the toolkit's own timings, as ratios in one run."""

import importlib
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
    if not names or str(names[0]) == PACKAGES:
        return _packages([word for word in words if word != PACKAGES])
    config = load(overrides)
    tables = {"ablation": _ablation, "compression": _compression, "numerics": _numerics,
              "quantization": _quantization}  # fmt: skip
    if names and str(names[0]) in tables:
        return tables[str(names[0])](words[1:], Path(config.runs) / "bench" / f"{names[0]}.json")
    if names and str(names[0]) == "comparison":
        return _comparison(words[1:], Path(config.runs) / "bench")
    if names and str(names[0]) == "agreement":
        return _agreement(names[1:], config, words)
    if names and str(names[0]) == "zoo":
        return _zoo(words[1:], config)
    if names and str(names[0]) == "latency":
        return _latency(names[1:], config, words)
    suites = [suite for name in names for suite in (SUITES if str(name) == TOOLKIT else (str(name),))]
    for suite in suites:
        if suite not in (*SUITES, *ON_REQUEST):
            more = ("ablation", "agreement", "comparison", "compression", "latency", "numerics",
                    "quantization", "zoo")  # fmt: skip
            known = ", ".join((PACKAGES, TOOLKIT, *SUITES, *ON_REQUEST, *more))
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


def _packages(words: list[str]) -> int:
    """How fast packages are here."""
    from pipersr_build.commands import bench_packages

    return bench_packages.main(words)


def _ablation(words: list[str], path: Path) -> int:
    """Train the ablation's variants; they have no limits to hold."""
    from pipersr_build.benchmark import ablation

    record = ablation.main(words, path)
    Console().print(ablation.table(record), highlight=False)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _comparison(words: list[str], folder: Path) -> int:
    """Train networks alike and measure them; the table has no limits to hold."""
    from pipersr_build.benchmark import comparison, comparison_record

    path = folder / "comparison.json"
    record = comparison.main(words, path)
    files.write_text(path.with_suffix(".svg"), comparison_record.plot(record))
    Console().print(comparison_record.table(record), highlight=False, markup=False, soft_wrap=True)
    Console().print(f"record: {path}, plot: {path.with_suffix('.svg')}", highlight=False)
    return 0


def _agreement(paths: list[Path], config: Config, words: list[str]) -> int:
    """Predicted placement against a truth: `agreement PACKAGES TRUTH`."""
    from pipersr_build.placement import agreement

    if len(paths) != 2:
        fix = "give the packages (a folder or a zip) and the truth (JSON lines)"
        raise InputError(f"agreement takes two paths, not {len(paths)}", where="command line", fix=fix)
    command, path = command_line("bench", words), Path(config.runs) / "bench" / "agreement.json"
    record = agreement.compare(paths[0], paths[1], chip=config.placement.chip, command=command)
    agreement.save(record, path)
    Console().print(agreement.table(record), highlight=False, soft_wrap=True)
    Console().print(*record.differences, sep="\n", highlight=False, markup=False)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _zoo(words: list[str], config: Config) -> int:
    """Take small networks of others' architectures through the export; the table has no limits to hold."""
    from pipersr_build.benchmark import zoo

    path = Path(config.runs) / "bench" / "zoo.json"
    record = zoo.main(words, path, chip=config.placement.chip, target=config.target.deployment)
    Console().print(zoo.table(record), highlight=False, markup=False)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _quantization(words: list[str], path: Path) -> int:
    """What 8 bits cost networks that were made differently; the table has no limits to hold."""
    from pipersr_build.benchmark import quantization, quantization_record

    record = quantization.main(words, path)
    Console().print(quantization_record.table(record), highlight=False, markup=False)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _compression(words: list[str], path: Path) -> int:
    """What fewer bits cost the packages of a network; the table has no limits to hold."""
    from pipersr_build.benchmark import compression, compression_record

    record = compression.main(words, path)
    Console().print(compression_record.table(record), highlight=False, markup=False, soft_wrap=True)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _numerics(words: list[str], path: Path) -> int:
    """What the engine's arithmetic may do to pictures, simulated; the tables have no limits to hold."""
    from pipersr_build.benchmark import numerics, numerics_record

    record = numerics.main(words, path)
    for table in (numerics_record.table, numerics_record.margin_table):
        Console().print(table(record), highlight=False, markup=False, soft_wrap=True)
    Console().print(f"record: {path}", highlight=False)
    return 0


def _latency(rest: list[Path], config: Config, words: list[str]) -> int:
    """The latency estimate against published figures; 1 where the shipped errors are not what they imply."""
    from pipersr_build.benchmark import latency, latency_tables
    from pipersr_build.placement import chips
    from pipersr_build.report.latency_plot import roofline_plot

    if rest:
        fix = "bench latency takes no more words"
        raise InputError(f"{str(rest[0])!r} is not understood", where="command line", fix=fix)
    folder = Path(config.runs) / "bench"
    record = latency.check(machine.provenance(command_line("bench", words)))
    latency.save(record, folder / "latency.json")
    files.write_text(folder / "latency.svg", roofline_plot(record.roofline))
    Console().print(latency_tables.table(record), highlight=False, markup=False)
    Console().print(latency_tables.claim_table(record), highlight=False, markup=False)
    Console().print(f"record: {folder / 'latency.json'}, plot: {folder / 'latency.svg'}", highlight=False)
    return 0 if chips.load().band.by_kind == record.errors else 1


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
