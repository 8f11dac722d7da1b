"""`bench comparison`: networks of the field trained alike, and measured as packages.

What is equal is what a network sees: the same number of patches, the same patches in the same order, the same
optimiser and schedule. Equal seconds would judge how well this machine's library runs a layer, which says
nothing about the engine; the seconds are reported. The learning rate is no part of the budget: what a network
with batch norms needs makes one without them diverge. So each network tries the same rates in short runs, and
keeps the one that does best on the held-out pictures. Test pictures choose nothing.

The work goes on where it stopped: network by network, and in a training from its last checkpoint.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipersr_build import files, machine, models
from pipersr_build.benchmark.comparison_record import Budget, EqualBudget, Pilot, Trained, load, save
from pipersr_build.benchmark.runs import trained
from pipersr_build.commands import evaluate
from pipersr_build.commands.compare_rows import Subject, chips_of, frame_of, row_of
from pipersr_build.commands.compare_subjects import networks
from pipersr_build.commands.pictures import corpus_of, test_sets_of
from pipersr_build.config import Config, command_line, plain
from pipersr_build.config import load as configure
from pipersr_build.errors import InputError
from pipersr_build.evaluation.packages import open_method
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.evaluation.testset import TestSet, Upscale, bicubic
from pipersr_build.evidence import Quality, Training
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import open_package
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import say
from pipersr_build.report.compare_record import Score
from pipersr_build.runtime.frames import HALO_KEY
from pipersr_build.training.names import WEIGHTS

NETWORKS = (
    "pipersr_2x",
    "quicksrnet_medium_2x",
    "quicksrnet_large_2x",
    "paragonsr2_realtime_2x",
    "paragonsr2_stream_2x",
    "sesr_m5_2x",
    "span_s_2x",
)
RATES = (2e-3, 1e-3, 5e-4)
PILOT = 0.1  # of the steps
VALIDATIONS = 8  # in a training
BASE = {  # the user's own settings come after these
    "data": "reference",
    "training.steps": "12000",
    "training.batch": "16",
    "training.patch": "32",
    "training.warmup": "100",
    "training.ema": "0.999",
    "training.keep_best": "1",
    "training.checkpoint_every": "200",
    "evaluation.protocol": "y_float",
}
_RATE = "learning_rate"
_LENGTHS = {"steps", "validate_every", "checkpoint_every", _RATE}


def main(words: Sequence[str], path: Path) -> EqualBudget:
    """Train, package and measure the named networks (all of `NETWORKS` by default); write the record.

    The record is written after each network; those that it already holds are not trained again.

    Raises:
        InputError: no such network, scales that differ, no test pictures, or a record of another budget.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    names = [word for word in words if "=" not in word] or list(NETWORKS)
    overrides = [word for word in words if "=" in word]
    config = _configured(names[0], overrides)
    _check(names, overrides, config)
    sets = test_sets_of(config)
    budget = _budget(config, sets)
    record = _start(path, budget, command_line("bench comparison", words), config, sets)
    for name in names:
        if name in (one.row.name for one in record.rows):
            say(f"{name} is done already")
            continue
        say(f"{name}: {budget.words}")
        row = _network(name, overrides, budget, sets)
        order = {known: index for index, known in enumerate((*NETWORKS, *names))}
        rows = sorted([*record.rows, row], key=lambda one: order.get(one.row.name, len(order)))
        record = record.model_copy(update={"rows": rows})
        save(record, path)
    return record


def _configured(name: str, overrides: Sequence[str], *more: str) -> Config:
    """The configuration of a network's run: the base, its lengths, the user's settings."""
    if name not in networks():
        fix = f"choose from {', '.join(networks())}"
        raise InputError(f"no network {name!r}", where="command line", fix=fix)
    given = dict(word.split("=", 1) for word in (*overrides, *more))
    base = {key: value for key, value in BASE.items() if key not in given}
    steps = {**base, **given}["training.steps"]
    if steps.isdigit() and "training.validate_every" not in given:
        base["training.validate_every"] = str(max(1, int(steps) // VALIDATIONS))
    return configure([f"model={name}", *(f"{key}={value}" for key, value in base.items()), *overrides, *more])


def _check(names: Sequence[str], overrides: Sequence[str], config: Config) -> None:
    """Find before any training what would stop the comparison after it."""
    for name in names:
        other = _configured(name, overrides)
        if other.model.scale != config.model.scale:
            what = f"the scales differ: {names[0]} {config.model.scale:g}x, {name} {other.model.scale:g}x"
            raise InputError(what, where="command line", fix="compare networks of one scale")
    taken = [word for word in overrides if word.split("=")[0] in ("name", "model", f"training.{_RATE}")]
    if taken:
        why = "name the networks; every one tries the same rates"
        raise InputError(f"{taken[0]!r} is set by the comparison", where="command line", fix=why)
    pictures = config.evaluation
    if pictures.folder is None and pictures.hr is None:
        fix = "give evaluation.folder=PATH, the folder with Set5, Set14 and BSD100"
        raise InputError("no test pictures are given", where="configuration key evaluation.folder", fix=fix)


def _budget(config: Config, sets: Sequence[TestSet]) -> Budget:
    settings, corpus, frame = config.training, corpus_of(config), frame_of(config)
    shown = plain(config)["training"]
    return Budget(
        steps=settings.steps,
        batch=settings.batch,
        patch=settings.patch,
        pilot_steps=max(1, round(settings.steps * PILOT)),
        rates=list(RATES),
        settings={key: value for key, value in shown.items() if key not in _LENGTHS},
        corpus=corpus.name,
        corpus_sha256=corpus.fingerprint,
        protocol=validation_protocol(config.evaluation.protocol),
        sets={one.name: len(one.pictures) for one in sets},
        frame=f"{frame.width}x{frame.height}",
        target=config.target.deployment,
        chip=chips_of(config)[0].name,
    )


def _start(path: Path, budget: Budget, command: str, config: Config, sets: Sequence[TestSet]) -> EqualBudget:
    """The record so far, or a new one with bicubic's scores."""
    if path.is_file():
        found = load(path)
        if found.budget != budget:
            changed = _difference(found.budget, budget)
            what = f"the record is of another budget ({changed})"
            raise InputError(what, where=path, fix="move it away to start anew, or give another runs=FOLDER")
        return found
    scores = _scores(bicubic(config.model.scale), sets, config, "bicubic", path.name)
    new = EqualBudget(provenance=machine.provenance(command), budget=budget, bicubic=scores, rows=[])
    save(new, path)
    return new


def _difference(there: Budget, here: Budget) -> str:
    old, new = there.model_dump(), here.model_dump()
    return next(f"{key} is {old[key]!r} there, {new[key]!r} here" for key in new if old[key] != new[key])


def _network(name: str, overrides: Sequence[str], budget: Budget, sets: Sequence[TestSet]) -> Trained:
    """One network from its pilots to its row."""
    folder = _folder(_configured(name, overrides), budget)
    pilots = [_pilot(name, overrides, budget, rate, folder) for rate in budget.rates]
    best = max(pilots, key=lambda one: float("-inf") if one.psnr is None else one.psnr)
    if best.psnr is None:
        what = f"{name} diverges at every rate that was tried"
        raise InputError(what, where="training", fix="leave it out: name the other networks")
    config = _configured(name, overrides, f"name={name}", f"runs={_quoted(folder)}",
                         f"training.{_RATE}={best.rate:g}")  # fmt: skip
    training = trained(config)
    assert training is not None
    return _measured(config, training, pilots, budget, sets)


def _folder(config: Config, budget: Budget) -> Path:
    """Where runs of this budget live, so that another budget's are not in the way."""
    return Path(config.runs) / f"comparison-{budget.steps}x{budget.batch}x{budget.patch}"


def _quoted(path: Path) -> str:
    """A path as the value of a Hydra override."""
    return "'" + str(path).replace("'", "\\'") + "'"


def _pilot(name: str, overrides: Sequence[str], budget: Budget, rate: float, folder: Path) -> Pilot:
    """A short run with one rate."""
    steps = budget.pilot_steps
    lengths = ("training.steps", "training.validate_every")
    given = [word for word in overrides if word.split("=")[0] not in lengths]
    config = _configured(name, given, f"name={name}-rate-{rate:g}", f"runs={_quoted(folder)}",
                         f"training.steps={steps}", f"training.validate_every={steps}",
                         f"training.{_RATE}={rate:g}")  # fmt: skip
    try:
        found = trained(config)
    except InputError as error:
        if "diverged" not in error.what:
            raise
        say(f"{name} at rate {rate:g}: {error.what}")
        return Pilot(rate=rate, psnr=None, seconds=None)
    assert found is not None
    return Pilot(rate=rate, psnr=found.chosen_psnr, seconds=found.seconds)


def _measured(
    config: Config, training: Training, pilots: list[Pilot], budget: Budget, sets: Sequence[TestSet]
) -> Trained:  # fmt: skip
    """Make the image package, read it back, and score it; the cost is that of the frame's package."""
    weights = load_weights(Path(config.runs) / config.name / WEIGHTS)
    package = _image_package(weights.network, config, weights.path.parent)
    subject = Subject(config.name, "weights", weights.config, weights.path, config.name)
    row = row_of(subject, config, chips_of(config))
    method = open_method(open_package(package)).upscale
    name = f"{config.name}/{package.name}"
    scores = _scores(method, sets, config, name, "comparison.json", f"{budget.steps:,} steps")
    return Trained(
        row=row.model_copy(update={"kind": "network", "measured": scores}),
        model=models.describe(weights.config),
        rate=config.training.learning_rate,
        pilots=pilots,
        seconds=training.seconds,
        chosen_step=training.chosen_step,
        held_out=training.chosen_psnr,
        weights_sha256=weights.sha256,
        package_sha256=files.sha256(package),
        git_commit=training.legs[-1].git_commit if training.legs else None,
    )


def _image_package(network: Any, config: Config, folder: Path) -> Path:
    facts, tile = models.facts(config.model), config.export.image.tile
    halo = {} if facts.receptive_radius is None else {HALO_KEY: str(facts.receptive_radius)}
    made = build(
        to_deploy(network),
        [Contract("image", str(tile), tile, tile)],
        folder,
        deployment=config.target.deployment,
        title=facts.title,
        metadata={**halo, "pipersr_build.scale": f"{facts.scale:g}"},
        rewrite=config.export.rewrite,
    )
    return next(made)[1]


def _scores(
    method: Upscale, sets: Sequence[TestSet], config: Config, subject: str, origin: str, training: str = ""
) -> list[Score]:
    return [
        _score(row, origin, training)
        for one in sets
        for row in evaluate.measure(method, one, config, subject)
    ]


def _score(row: Quality, origin: str, training: str) -> Score:
    return Score(
        dataset=row.dataset, protocol=row.protocol, psnr=row.mean_psnr, ssim=row.mean_ssim,
        subject=row.subject, origin=origin, training=training,
    )  # fmt: skip
