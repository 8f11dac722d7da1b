"""`export --check`: make the packages of an export again and compare them with those that are there."""

import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from pipersr_build import evidence, files
from pipersr_build.commands import arguments, compare_exports, other_formats, placing
from pipersr_build.commands.about import training_of
from pipersr_build.commands.packing import Packing, packing
from pipersr_build.config import Config
from pipersr_build.errors import InputError
from pipersr_build.export import formats
from pipersr_build.export.contracts import Contract
from pipersr_build.export.reproduce import Comparison, compare
from pipersr_build.fusion import to_deploy
from pipersr_build.models import quantized
from pipersr_build.models.weights import Weights, save_weights
from pipersr_build.progress import bar, say

WORDS = ("--check", "check=true")
_SETTINGS = ("export", "target")  # of an export's configuration: those that decide what is in its packages


def asked(words: list[str]) -> tuple[list[str], bool]:
    """The words without `--check`, and whether it was among them.

    After it an export's folder stands for its weights and settings, as its evidence has them.

    Raises:
        InputError: the folder is no export.
    """
    others = [word for word in words if word not in (*WORDS, "check=false")]
    if not any(word in WORDS for word in words):
        return others, False
    folders = arguments.split(others)[0]
    if len(folders) > 1:
        raise InputError("more than one export is given", where="command line", fix="check them one by one")
    settings = [setting for folder in folders for setting in _settings(folder)]
    return [*settings, *(word for word in others if Path(word) not in folders)], True


def _settings(folder: Path) -> Iterator[str]:
    record, place = evidence.load(folder / placing.EVIDENCE), folder.resolve()
    yield f"name={place.name}"
    yield f"exports={_quoted(str(place.parent))}"
    yield f"weights={_quoted(str(place / placing.WEIGHTS))}"
    decisive = {key: record.config[key] for key in _SETTINGS if key in record.config}
    yield from as_words(compare_exports.flat(decisive))


def as_words(settings: Mapping[str, object]) -> list[str]:
    """Settings by their keys, as a user would type them."""
    return [f"{key}={_quoted(value)}" for key, value in settings.items()]


def _quoted(value: object) -> str:
    """A value as Hydra reads it."""
    return json.dumps(value, ensure_ascii=False)


def check(config: Config, weights: Weights, wanted: list[Contract]) -> int:
    """Make the packages of an export again, and say which are not the same; 0 if all are.

    Nothing in the export's folder is changed.

    Raises:
        InputError: there is no such export.
    """
    folder = Path(config.exports) / config.name
    record = evidence.load(folder / placing.EVIDENCE)
    changed = placing.changed(folder)
    found = compared(config, weights, wanted, folder)
    others = sorted({one.file for one in record.exported} - found.keys())
    if others:
        say(f"not compared, because other settings made them: {', '.join(others)}")
    return answer(found, changed)


def answer(found: dict[str, Comparison | None], changed: dict[str, str]) -> int:
    """Show how packages compare and which files were changed; 0 if there is no difference, else 1."""
    _show(found, changed)
    _mention_makers(found.values())
    return 1 if changed or not all(one is not None and one.same for one in found.values()) else 0


def compared(
    config: Config,
    weights: Weights,
    wanted: list[Contract],
    folder: Path,
    names: Collection[str] | None = None,
) -> dict[str, Comparison | None]:
    """Each package that is made again, by name, and how it compares; None where it is not there.

    Args:
        config: the settings that made the packages.
        weights: likewise.
        wanted: what the settings ask for.
        folder: where the packages lie.
        names: the packages to compare; None: all that the settings make.
    """
    with tempfile.TemporaryDirectory(prefix="pipersr-build-") as scratch:
        return dict(_compared(config, weights, wanted, folder, Path(scratch), names))


def _compared(
    config: Config,
    weights: Weights,
    wanted: list[Contract],
    folder: Path,
    scratch: Path,
    names: Collection[str] | None,
) -> Iterator[tuple[str, Comparison | None]]:
    saved = scratch / placing.WEIGHTS
    save_weights(saved, weights.network, weights.config, weights.name)
    plain = quantized.plain(weights.network)
    deployed = to_deploy(plain.double()).float()
    plain.float()
    packed = packing(config, weights, deployed, training_of(weights), files.sha256(saved))
    seen = set[str]()
    steps = len(wanted) * (len(packed.smaller.methods) + len(formats.parse(config.export.formats)))
    with bar("make again", steps) as shown:
        for path in _made(config, weights, packed, wanted, scratch):
            if path.name not in seen and (names is None or path.name in names):
                there = folder / path.name
                yield path.name, compare(there, path) if there.exists() else None
            seen.add(path.name)
            shown.advance(note=path.name)


def _made(
    config: Config, weights: Weights, packed: Packing, wanted: list[Contract], scratch: Path
) -> Iterator[Path]:
    """The packages and files of an export, made again, each as soon as it is there."""
    if formats.COREML in formats.parse(config.export.formats):
        yield from (made.path for made in packed.make(wanted, scratch))
    yield from (made.path for made in other_formats.write(config, weights, packed, wanted, scratch))


def _show(found: dict[str, Comparison | None], changed: dict[str, str]) -> None:
    columns = (Column(name, overflow="fold") for name in ("package", "made again"))
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for name, comparison in found.items():
        table.add_row(name, _answer(comparison))
    console = Console()
    console.print(table)
    for name, how in changed.items():
        console.print(f"{name} {how} since the export ({placing.SUMS})", highlight=False, markup=False)


def _answer(comparison: Comparison | None) -> str:
    if comparison is None:
        return "is not there"
    if comparison.same:
        return "the same bytes but for its makers" if comparison.makers else "the same bytes"
    return "; ".join(f"{name} {how}" for name, how in comparison.files.items())


def _mention_makers(found: Iterable[Comparison | None]) -> None:
    """Which versions and revisions were not compared, once."""
    differing = {key: pair for one in found if one is not None for key, pair in one.makers.items()}
    for key, (theirs, ours) in differing.items():
        say(f"not compared: {key}, {theirs} there and {ours} here")
