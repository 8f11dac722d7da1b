"""`estimate`: operations, FLOP, placement and latency of a configuration, before any training."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipersr_build import files
from pipersr_build.commands import arguments, variants
from pipersr_build.commands import estimate_tables as tables
from pipersr_build.config import Config, load
from pipersr_build.config.wanted import contracts
from pipersr_build.errors import InputError
from pipersr_build.placement import chips
from pipersr_build.placement.chips import Chip
from pipersr_build.progress import bar, say
from pipersr_build.report.latency_plot import Bar, variants_plot

SHORT = {"chip": "placement.chip", "fps": "estimate.fps", "out": "estimate.out"}
TITLE = "Predicted latency of one call"
MULTIRUN = ("-m", "--multirun")


def main(words: list[str]) -> int:
    """Estimate one configuration, or with --multirun every combination of settings; always 0."""
    sweep = bool(set(words) & set(MULTIRUN))
    given = arguments.overrides_only([word for word in words if word not in MULTIRUN], sweep=sweep)
    overrides = [arguments.in_full(word, SHORT) for word in given]
    configs = _combinations(overrides) if sweep else [({}, load(overrides))]
    settings = configs[0][1].estimate
    _refuse_weights([config for _, config in configs])
    chosen = [chips.load().named(config.placement.chip) for _, config in configs]
    if settings.out:
        _make_folder(Path(settings.out))
    rows = _estimates(configs, chosen)
    if len(configs) > 1:
        Console().print(tables.variants(rows))
    else:
        Console().print(tables.packages(rows))
        Console().print(tables.latencies(rows, [chip.name for chip in chosen[0]]))
    names = [chip.name for chips_ in chosen for chip in chips_]
    Console().print("\n".join(tables.bases(rows, names)), highlight=False, markup=False)
    if settings.out:
        _write(rows, Path(settings.out), settings.fps)
    return 0


def _refuse_weights(configs: Sequence[Config]) -> None:
    """Refuse `weights=`, which may belong to another network than the one that is configured."""
    named = next((config.weights for config in configs if config.weights), None)
    if named is not None:
        fix = f"for weights, say: pipersr-build compare {named}"
        raise InputError("estimate takes a configuration, and no weights", where="configuration key weights",
                         fix=fix)  # fmt: skip


def _make_folder(folder: Path) -> None:
    """Create the folder for the results, before anything is computed.

    Raises:
        InputError: it cannot be created, for whatever reason the system has.
    """
    try:
        files.make_folder(folder)
    except OSError as error:  # a reason that `files` does not know: /proc, for one, takes no folders
        what = f"the folder cannot be created: {error.strerror}"
        raise InputError(what, where=folder, fix="name another folder with out=") from error


def _combinations(overrides: list[str]) -> list[tuple[dict[str, str], Config]]:
    from pipersr_build.commands import sweep

    return [(variant.varied, variant.config) for variant in sweep.plan(overrides)]


def _estimates(
    configs: Sequence[tuple[dict[str, str], Config]], chosen: Sequence[list[Chip]]
) -> list[variants.Estimate]:
    """All packages of all variants; one variant alone is estimated for every chip.

    Raises:
        InputError: a size that cannot be used, found before anything is converted.
    """
    total = sum(len(contracts(config.export)) for _, config in configs)
    rows: list[variants.Estimate] = []
    with bar("estimate", total) as shown:
        for (varied, config), own in zip(configs, chosen, strict=True):
            others = [chip for chip in chips.load().table.values() if chip not in own]
            wanted = own if len(configs) > 1 else own + others
            for row in variants.estimates(config, wanted, varied, config.estimate.fps):
                rows.append(row)
                shown.advance(note=row.name)
    return rows


def _write(rows: Sequence[variants.Estimate], folder: Path, fps: float | None) -> None:
    """JSON, CSV and the plot into the folder that `estimate.out` names."""
    variants.write(rows, folder)
    bars = [
        Bar(f"{row.name} on {one.chip}", one.low, one.expected, one.high, one.reaches or "")
        for row in rows
        for one in row.latencies
        if one.low is not None and one.expected is not None and one.high is not None
    ]
    if bars:
        files.write_text(folder / "estimate.svg", variants_plot(bars, TITLE, 1e3 / fps if fps else None))
    say(f"written: {folder}/estimate.json, .csv{' and .svg' if bars else ''}")
