"""`train --multirun`: one training for each combination of settings, through Hydra's sweeper.

Each variant is a `pipersr-build train` of its own in a process of its own, under a name made of its
settings. So what fails fails alone, and the same command goes on with an interrupted sweep: variants that
are finished are not trained again.
"""

import contextlib
import csv
import hashlib
import io
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from rich.console import Console
from rich.table import Table

from pipersr_build import evidence, files
from pipersr_build.commands import arguments
from pipersr_build.config import Config, load
from pipersr_build.errors import InputError
from pipersr_build.progress import say
from pipersr_build.shipped import conf_dir
from pipersr_build.training.folder import same_settings
from pipersr_build.training.names import WEIGHTS
from pipersr_build.training.processes import started_processes
from pipersr_build.training.record import read_record

INTERRUPTED = 130
SUMMARY = "summary"
_LONGEST = 100  # characters in a name
_PLAIN = re.compile(r"[A-Za-z0-9_.]+")  # values that are their own part of a name


@dataclass(frozen=True)
class Variant:
    """One training of a sweep.

    Args:
        name: of its run.
        overrides: all of its settings, as Hydra gives them to its job.
        varied: those that differ between variants.
        config: what they make.
    """

    name: str
    overrides: list[str]
    varied: dict[str, str]
    config: Config

    @property
    def folder(self) -> Path:
        """Where it is trained."""
        return Path(self.config.runs) / self.name


@dataclass(frozen=True)
class Outcome:
    """What became of a variant; PSNR (dB on the held-out pictures) and step are its best validation's."""

    name: str
    varied: dict[str, str]
    exit_code: int | None  # None: not started
    psnr: float | None = None
    step: int | None = None
    seconds: float | None = None


def main(words: list[str]) -> int:
    """Train all variants; 0, or the exit code of the first that failed, 130 if interrupted."""
    given = arguments.overrides_only(words, sweep=True)
    if started_processes() > 1:
        raise InputError(
            "a sweep starts its trainings itself",
            where="command line",
            fix="start it once, without torchrun or srun; training.devices=… still holds",
        )
    overrides = list(_last_of_each(given))
    variants = plan([word for word in overrides if not re.match(r"[+~]*hydra[./]", word)])
    config = variants[0].config
    folder = files.make_folder(Path(config.runs) / f"{config.name}-sweep")
    say(f"{len(variants)} variants: {', '.join(variant.name for variant in variants)}")
    interrupted = _multirun(overrides, variants, folder)
    outcomes = [_outcome(variant, folder) for variant in variants]
    _write(outcomes, folder)
    Console().print(_table(outcomes))
    say(f"the same in {folder / SUMMARY}.csv and .json")
    failed = [outcome.exit_code or 1 for outcome in outcomes if outcome.exit_code != 0]
    return INTERRUPTED if interrupted else next(iter(failed), 0)


def plan(overrides: list[str]) -> list[Variant]:
    """All variants, every one of them checked. Of overrides of the same key the last one counts.

    Raises:
        InputError: an override cannot be parsed, nothing varies, or a variant's configuration is refused.
    """
    parsed = list(_last_of_each(overrides).values())
    swept = [override.get_key_element() for override in parsed if override.is_sweep_override()]
    if not swept or "name" in swept:
        raise InputError(
            "the name varies" if swept else "nothing varies",
            where="command line",
            fix="give several values for a setting other than name, for example model.blocks=4,6",
        )
    jobs = (list(job) for job in itertools.product(*map(_values, parsed)))
    return [variant_of(load(job), job, swept) for job in jobs]


def _last_of_each(words: Sequence[str]) -> dict[str, Override]:
    """The overrides, of each key only the last, as written and as parsed."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise _refused(error) from error
    last = {
        override.get_key_element(): (word, override) for word, override in zip(words, parsed, strict=True)
    }
    return dict(last.values())


def _refused(error: Exception) -> InputError:
    return InputError(str(error).splitlines()[0], where="command line")


def _values(override: Override) -> list[str]:
    """What stands for one override in one job after the other, written as Hydra's sweeper does."""
    key = override.get_key_element()
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [f"{key}={override.get_value_element_as_str()}"]


def variant_of(config: Config, overrides: Sequence[str], swept: Sequence[str]) -> Variant:
    """The variant that a job's overrides make, named after the sweep and the settings that vary."""
    pairs = dict(override.split("=", 1) for override in overrides)
    varied = {key: pairs[key] for key in swept}
    parts = [f"{key.rpartition('.')[2]}_{value}" for key, value in varied.items()]
    name = "-".join([config.name, *(re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in parts)])
    if not all(map(_PLAIN.fullmatch, varied.values())) or len(name) > _LONGEST:
        # what is replaced or cut off may have been all that differed
        exact = hashlib.sha256(repr(list(varied.items())).encode()).hexdigest()[:8]
        name = f"{name[: _LONGEST - 9].rstrip('_.')}-{exact}"
    return Variant(name, list(overrides), varied, config)


def _multirun(overrides: list[str], variants: Sequence[Variant], folder: Path) -> bool:
    """Train the variants through Hydra's sweeper and launcher; returns whether that was interrupted.

    Hydra writes `multirun.yaml` into `folder` and nothing elsewhere.

    Raises:
        InputError: a setting of Hydra's own is refused.
    """
    for variant in variants:
        _note(variant, folder).unlink(missing_ok=True)
    quoted = str(folder).replace("'", "\\'")
    settings = [
        f"hydra.sweep.dir='{quoted}'",
        "hydra.sweep.subdir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
    ]
    jobs = {tuple(variant.overrides): variant for variant in variants}
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        engine = GlobalHydra.instance().hydra
        assert engine is not None
        try:
            engine.multirun("config", partial(_train, jobs=jobs, folder=folder), [*settings, *overrides])
        except KeyboardInterrupt:
            return True
        except HydraException as error:  # a setting of Hydra's own, which no variant has
            raise _refused(error) from error
    return False


def _train(job: Any, jobs: Mapping[tuple[str, ...], Variant], folder: Path) -> None:
    """Hydra's task: train one variant unless that is done.

    Raises:
        KeyboardInterrupt: the training was interrupted, which ends the sweep.
    """
    del job  # the composed configuration; the variant's own process composes it again
    variant = jobs[tuple(HydraConfig.get().overrides.task)]
    if _record(variant) is None:
        say(f"{variant.name}:")
        code = _run(variant)
    else:
        say(f"{variant.name} is finished already")
        code = 0
    files.write_text(_note(variant, folder), json.dumps({"exit_code": code}) + "\n")
    if code == INTERRUPTED:
        raise KeyboardInterrupt


def _run(variant: Variant) -> int:
    """Train a variant in a process of its own, which hears Ctrl-C too and then saves a checkpoint."""
    words = [word for word in variant.overrides if not word.startswith("name=")]
    command = [sys.executable, "-m", "pipersr_build", "train", *words, f"name={variant.name}"]
    with subprocess.Popen(command) as process:
        while process.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    return process.returncode


def _record(variant: Variant) -> evidence.Training | None:
    """The record of the variant's finished run, if its folder holds one with these settings."""
    weights = variant.folder / WEIGHTS
    if not weights.is_file() or not same_settings(variant.folder, variant.config):
        return None
    return read_record(weights, files.sha256(weights))


def _note(variant: Variant, folder: Path) -> Path:
    """Where the job leaves its exit code; it may run in another process."""
    return folder / f"{variant.name}.json"


def _outcome(variant: Variant, folder: Path) -> Outcome:
    note = _note(variant, folder)
    code = json.loads(note.read_text())["exit_code"] if note.is_file() else None
    record = _record(variant) if code == 0 else None
    if record is None:
        return Outcome(variant.name, variant.varied, code)
    return Outcome(variant.name, variant.varied, code, record.chosen_psnr, record.chosen_step, record.seconds)


def _write(outcomes: Sequence[Outcome], folder: Path) -> None:
    """The summary as JSON and as CSV."""
    rows = [asdict(outcome) for outcome in outcomes]
    files.write_text(folder / f"{SUMMARY}.json", json.dumps(rows, indent=2) + "\n")
    flat = [{"name": row.pop("name"), **row.pop("varied"), **row} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    files.write_text(folder / f"{SUMMARY}.csv", text.getvalue())


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="sweep", title_justify="left")
    for column in ("name", *outcomes[0].varied):
        table.add_column(column, overflow="fold")
    for column in ("held-out PSNR", "step", "seconds"):
        table.add_column(column, justify="right")
    for item in outcomes:
        table.add_row(item.name, *item.varied.values(), *_figures(item))
    return table


def _figures(outcome: Outcome) -> list[str]:
    if outcome.psnr is None:
        code = outcome.exit_code
        return ["not trained" if code is None else f"failed, exit code {code}", "", ""]
    return [f"{outcome.psnr:.3f} dB", str(outcome.step), f"{outcome.seconds:.0f}"]
