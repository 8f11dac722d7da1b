"""`bench packages`: how fast packages are here, beside an earlier record if one is pinned."""

from pathlib import Path

from rich.console import Console

from pipersr_build import files, machine
from pipersr_build.benchmark import packages_pin, packages_record
from pipersr_build.benchmark.packages_record import FILE, Packages
from pipersr_build.commands import arguments
from pipersr_build.config import Config, command_line, load
from pipersr_build.progress import say

_KEYS = ("iterations", "warm_up", "picture", "video", "compute_units", "pin", "tolerance")
SHORT = {
    **{key: f"bench.{key}" for key in _KEYS},
    **{key: f"upscale.{key}" for key in ("package", "backend")},
}
_NOT_FOR_A_MAC = ("pin", "bench.pin", "backend", "upscale.backend")


def main(words: list[str]) -> int:
    """Measure, write the record, compare; 1 if a time is above the pinned one and the tolerance."""
    settings = arguments.overrides_only(words)
    config = load([arguments.in_full(word, SHORT) for word in settings])
    target = Path(config.runs) / "bench" / FILE
    pinned = (
        packages_pin.open_pin(Path(config.bench.pin), machine.describe(), target)
        if config.bench.pin
        else None
    )
    files.make_folder(target.parent)
    record = _measure(config, settings)
    packages_record.save(record, target)
    _show(packages_record.table(record))
    _show(f"record: {target}")
    return 0 if pinned is None else _compare(record, pinned, config.bench.tolerance)


def _measure(config: Config, settings: list[str]) -> Packages:
    from pipersr_build.benchmark.packages import measure

    elsewhere = [word for word in settings if word.partition("=")[0] not in _NOT_FOR_A_MAC]
    typed, on_a_mac = (command_line("bench", ["packages", *some]) for some in (settings, elsewhere))
    return measure(config, typed, on_a_mac)


def _compare(record: Packages, pinned: Packages, tolerance: float) -> int:
    comparisons = packages_pin.compare(record, pinned, tolerance)
    _show(packages_pin.table(comparisons))
    for line in packages_pin.missing(record, pinned):
        say(line)
    return 0 if all(each.holds for each in comparisons) else 1


def _show(text: str) -> None:
    Console().print(text, highlight=False, markup=False, soft_wrap=True)
