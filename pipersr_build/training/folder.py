"""A run's folder: who may use it, what is in it, and where a run goes on."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipersr_build import files, models
from pipersr_build.config import Config, DataConfig, TrainingConfig
from pipersr_build.errors import InputError
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.progress import say
from pipersr_build.training.checkpoint_file import newest
from pipersr_build.training.names import BEST, CURVE, LAST, LOCK, PREVIOUS, SAMPLES, SETTINGS, WEIGHTS

_NOT_COMPARED = {  # may change between legs: where and how fast, not what is computed
    *("training.threads", "training.devices", "training.nodes", "training.accelerator"),
    *("training.compile", "training.checkpoint_every", "training.logs", "training.samples"),
    *("data.folder", "data.root", "data.verify", "data.workers", "data.mirror", "data.archives"),
    "data.resident",
}
_CORPUS = "corpus_sha256"
_PROTOCOL = "protocol"  # of the validations
_ABSENT = "nothing"


@dataclass(frozen=True)
class Plan:
    """Where a run lives and from which checkpoint it goes on, if from one."""

    folder: Path
    checkpoint: Path | None
    step: int


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep other processes' runs out of the folder.

    Raises:
        InputError: another run is using it, or it cannot be written to.
    """
    files.make_folder(folder)
    path = folder / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            "another run is training in this folder",
            where=folder,
            fix="wait for it, or choose another name=…",
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # while it is ours: whoever comes next makes a new one
            path.unlink()
        lock.release()


def prepare(config: Config, corpus_sha256: str = "", *, writes: bool = True) -> Plan:
    """Make the run's folder and find out whether there is something to resume.

    Args:
        config: the whole configuration.
        corpus_sha256: the corpus' fingerprint; a run goes on with the pictures that it began with.
        writes: False in the other processes of a run, which only look.

    Raises:
        InputError: the folder holds a run with other settings, finished or not, or cannot be written to.
    """
    folder = Path(config.runs) / config.name
    wanted = {**resumable_settings(config), _CORPUS: corpus_sha256}
    found = newest(folder)
    if found is None:
        _check_finished(folder, wanted)
        if writes:
            _start(folder, wanted)
        return Plan(folder, None, 0)
    before = _read_json(folder / SETTINGS)
    difference = "they cannot be read" if before is None else _difference(before, wanted)
    if difference:
        raise InputError(
            f"the folder holds an unfinished run with other settings ({difference})",
            where=folder,
            fix=f"resume it with its own settings ({SETTINGS}), choose another name=…, or delete the folder",
        )
    checkpoint, step = found
    say(f"resuming {folder} from step {step}")
    return Plan(folder, checkpoint, step)


def _check_finished(folder: Path, wanted: dict[str, Any]) -> None:
    """A finished run is only started again with its own settings."""
    if not (folder / WEIGHTS).is_file() or not (folder / SETTINGS).is_file():
        return
    before = _read_json(folder / SETTINGS)
    difference = "they cannot be read" if before is None else _difference(before, wanted)
    if difference:
        raise InputError(
            f"the folder holds a finished run with other settings ({difference})",
            where=folder,
            fix="choose another name=…, or delete the folder",
        )


def _start(folder: Path, settings: dict[str, Any]) -> None:
    """Write down the settings; a finished run's weights and record stay until there are new ones."""
    files.make_folder(folder)
    if (folder / WEIGHTS).is_file():
        say(f"{folder} holds a finished run; its {WEIGHTS} stay until the new ones are ready")
    for name in (BEST, SAMPLES):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / CURVE).unlink(missing_ok=True)
    files.write_text(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")


def finish(folder: Path) -> None:
    """Remove what was only needed to resume."""
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def resumable_settings(config: Config) -> dict[str, Any]:
    """What a run records to be resumed by."""
    parts = {key: asdict(getattr(config, key)) for key in ("model", "data", "training")}
    more = {"seed": config.seed, _PROTOCOL: validation_protocol(config.evaluation.protocol)}
    settings: dict[str, Any] = json.loads(json.dumps({**parts, **more}))
    return settings


def same_settings(folder: Path, config: Config) -> bool:
    """Whether the run in the folder was started with these settings."""
    before = _read_json(folder / SETTINGS)
    return before is not None and not _difference(before, {**resumable_settings(config), _CORPUS: ""})


def _difference(before: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first setting that differs, for people; empty if none does."""
    before = {_PROTOCOL: wanted.get(_PROTOCOL), **before}  # an older version did not write it down
    there, here = _compared(before), _compared(wanted)
    for key in {**here, **there}:
        old, new = there.get(key, _ABSENT), here.get(key, _ABSENT)
        if old != new:
            return f"{key} is {old!r} there, {new!r} here"
    pictures = {before.get(_CORPUS), wanted.get(_CORPUS)} - {None, ""}
    return "the pictures are not the same" if len(pictures) > 1 else ""


def _compared(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that must agree, by their full keys; a key that an older version lacks has its default."""
    compared = {"seed": settings.get("seed"), "evaluation.protocol": settings.get(_PROTOCOL)}
    for part, default in _defaults(settings).items():
        values = {**json.loads(json.dumps(asdict(default))), **settings.get(part, {})}
        compared |= {f"{part}.{key}": value for key, value in values.items()}
    return {key: value for key, value in compared.items() if key not in _NOT_COMPARED}


def _defaults(settings: dict[str, Any]) -> dict[str, Any]:
    family = models.FAMILIES[str(settings.get("model", {}).get("family", "pipersr"))]
    return {"model": family.config(), "data": DataConfig(), "training": TrainingConfig()}


def _read_json(path: Path) -> dict[str, Any] | None:
    """The file's content, or None where it is no JSON object of settings."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    parts = ("model", "data", "training")
    usable = isinstance(content, dict) and all(isinstance(content.get(part), dict) for part in parts)
    known = usable and content["model"].get("family") in models.FAMILIES
    return content if known else None
