"""`bench quantization`: what identity initialisation and ReLU1 are worth in 8 bits.

QuickSRNet-small and -medium, each with and without identity initialisation and with ReLU1 or ReLU, are
trained with one budget. Then each goes on twice at a tenth of the rate, for a fifth of the steps: in
floating point and in simulated 8 bits. That gives three packages of equally many steps: fp16; W8A8 of the
same weights, with ranges measured afterwards (PTQ); and W8A8 of the weights that were trained in 8 bits
(QAT). All are measured as packages, read back from disk and run by the interpreter. The paper's claim
(Berger et al., 2023) is that the network with both loses least.

The work goes on where it stopped: network by network, and in a training from its last checkpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from pipersr_build import files, machine, models
from pipersr_build.benchmark.quantization_record import (
    Budget,
    Form,
    Measured,
    Quantization,
    Row,
    load,
    save,
)
from pipersr_build.benchmark.runs import trained
from pipersr_build.commands.calibration import batches
from pipersr_build.commands.evaluate import measure
from pipersr_build.commands.pictures import corpus_of, test_sets_of
from pipersr_build.config import Config, command_line
from pipersr_build.config import load as configure
from pipersr_build.errors import InputError
from pipersr_build.evaluation.packages import open_method
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.evaluation.testset import TestSet
from pipersr_build.evidence import Training
from pipersr_build.export.build import build
from pipersr_build.export.compression.methods import METHODS
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import open_package
from pipersr_build.models import quantized
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import say
from pipersr_build.runtime.frames import HALO_KEY
from pipersr_build.training.names import WEIGHTS

TUNING_SHARE, TUNING_RATE = 0.2, 0.1  # of the steps and of the learning rate
BASE = {  # the user's own settings come after these
    "data": "reference",
    "target": "macos14",
    "training.steps": "4000",
    "training.batch": "16",
    "training.patch": "32",
    "training.learning_rate": "1e-3",
    "training.warmup": "50",
    "training.ema": "0.99",
    "training.keep_best": "0",
    "training.checkpoint_every": "200",
    "evaluation.protocol": "y_float",
}
_TAKEN = ("name", "model", "training.form", "training.initial", "training.start")


@dataclass(frozen=True)
class Variant:
    """A network of the ablation."""

    size: str
    identity: bool
    relu1: bool

    @property
    def name(self) -> str:
        """As on the command line: `small_identity_relu1`, `medium_random_relu`."""
        start = "identity" if self.identity else "random"
        return f"{self.size}_{start}_{self.activation}"

    @property
    def activation(self) -> str:
        """The value of `model.activation`."""
        return "relu1" if self.relu1 else "relu"

    @property
    def words(self) -> list[str]:
        """Its settings."""
        return [f"model=quicksrnet_{self.size}_2x", f"model.identity={str(self.identity).lower()}",
                f"model.activation={self.activation}"]  # fmt: skip


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(size, identity, relu1)
        for size in ("small", "medium")
        for identity in (True, False)
        for relu1 in (True, False)
    )
}


def main(words: Sequence[str], path: Path) -> Quantization:
    """Train, package and measure the named networks (all of `VARIANTS` by default); write the record.

    The record is written after each network; those that it already holds are not trained again.

    Raises:
        InputError: no such network, a setting that is the benchmark's own, or a record of another budget.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    names = [word for word in words if "=" not in word] or list(VARIANTS)
    overrides = [word for word in words if "=" in word]
    _check(names, overrides)
    config = _configured(VARIANTS[names[0]], overrides)
    sets = test_sets_of(config)
    record = _start(path, _budget(config, sets), command_line("bench quantization", words))
    for name in names:
        if name in (row.name for row in record.rows):
            say(f"{name} is done already")
            continue
        say(f"{name}: {record.budget.words}")
        rows = [*record.rows, _row(VARIANTS[name], overrides, record.budget, sets)]
        rows.sort(key=lambda row: list(VARIANTS).index(row.name))
        record = record.model_copy(update={"rows": rows})
        save(record, path)
    return record


def _check(names: Sequence[str], overrides: Sequence[str]) -> None:
    for name in names:
        if name not in VARIANTS:
            fix = f"choose from {', '.join(VARIANTS)}"
            raise InputError(f"no network {name!r}", where="command line", fix=fix)
    for word in overrides:
        if word.partition("=")[0] in _TAKEN:
            raise InputError(f"{word!r} is set by the benchmark", where="command line", fix="leave it out")


def _configured(variant: Variant, overrides: Sequence[str], *more: str) -> Config:
    """The configuration of a network's first training: the base, its lengths, the user's settings, `more`."""
    given = {word.partition("=")[0] for word in overrides}
    base = [f"{key}={value}" for key, value in BASE.items() if key not in given]
    words = [*variant.words, *base, *overrides]
    steps = configure(words).training.steps
    lengths = [] if "training.validate_every" in given else [f"training.validate_every={steps}"]
    return configure([*words, *lengths, *more])


def _tuning(config: Config, initial: Path, form: str) -> Config:
    """The configuration that goes on from `initial` in a form: `as_is` or `quantized`."""
    training = config.training
    steps = max(1, round(training.steps * TUNING_SHARE))
    settings = replace(
        training,
        form=form,
        initial=str(initial),
        steps=steps,
        validate_every=steps,
        learning_rate=training.learning_rate * TUNING_RATE,
        warmup=0,
    )
    return replace(config, name=f"{config.name}_{form}", training=settings)


def _budget(config: Config, sets: Sequence[TestSet]) -> Budget:
    settings, corpus = config.training, corpus_of(config)
    tuning = _tuning(config, Path(), "quantized").training
    return Budget(
        steps=settings.steps,
        tuning_steps=tuning.steps,
        batch=settings.batch,
        patch=settings.patch,
        learning_rate=settings.learning_rate,
        tuning_rate=tuning.learning_rate,
        corpus=corpus.name,
        corpus_sha256=corpus.fingerprint,
        sets={one.name: len(one.pictures) for one in sets},
        protocol=validation_protocol(config.evaluation.protocol),
        tile=config.export.image.tile,
        target=config.target.deployment,
    )


def _start(path: Path, budget: Budget, command: str) -> Quantization:
    """The record so far, or a new one, which is written with its first row."""
    if not path.is_file():
        return Quantization(provenance=machine.provenance(command), budget=budget, rows=[])
    found = load(path)
    if found.budget != budget:
        old, new = found.budget.model_dump(), budget.model_dump()
        changed = next(
            f"{key} is {old[key]!r} there, {new[key]!r} here" for key in new if old[key] != new[key]
        )
        what = f"the record is of another budget ({changed})"
        raise InputError(what, where=path, fix="move it away to start anew, or give another runs=FOLDER")
    return found


def _row(variant: Variant, overrides: Sequence[str], budget: Budget, sets: Sequence[TestSet]) -> Row:
    """One network from its training to its scores."""
    config = _configured(variant, overrides, f"name={variant.name}")
    folder = Path(config.runs) / f"quantization-{budget.steps}x{budget.batch}x{budget.patch}"
    config = replace(config, runs=str(folder))
    start = folder / variant.name / WEIGHTS
    plain, rounded = (_tuning(config, start, form) for form in ("as_is", "quantized"))
    trainings = [_trained(one) for one in (config, plain, rounded)]
    scores, sizes = [], {}
    with files.staging(folder) as stage:
        for form, package in _packages(plain, rounded, stage):
            upscale, sizes[form] = open_method(open_package(package)).upscale, files.size_bytes(package)
            measured = [
                row for one in sets for row in measure(upscale, one, config, f"{variant.name} {form}")
            ]
            scores += [Measured(form=form, dataset=row.dataset, psnr=row.mean_psnr) for row in measured]
    return Row(
        name=variant.name,
        size=variant.size,
        identity=variant.identity,
        relu1=variant.relu1,
        scores=scores,
        bytes=sizes,
        seconds=round(sum(one.seconds for one in trainings), 1),
        git_commit=trainings[-1].legs[-1].git_commit if trainings[-1].legs else None,
    )


def _trained(config: Config) -> Training:
    """The record of a run, trained now unless it is finished."""
    found = trained(config)
    if found is None:
        what = "the run's record is not that of its weights"
        folder = Path(config.runs) / config.name
        raise InputError(what, where=folder, fix="delete the folder; its network is trained again")
    return found


def _packages(plain: Config, rounded: Config, folder: Path) -> Iterator[tuple[Form, Path]]:
    """The three packages of a network, as they are written."""
    network, tuned = (load_weights(Path(one.runs) / one.name / WEIGHTS).network for one in (plain, rounded))
    deployed = to_deploy(network)
    after = quantized.quantize(deployed, batches(plain.export.calibration, plain.model))
    fp16, ptq = _built(deployed, after, plain, folder / "ptq")
    yield "fp16", fp16
    yield "ptq", ptq
    yield "qat", _built(to_deploy(quantized.plain(tuned)), tuned, plain, folder / "qat")[1]


def _built(network: nn.Module, rounding: nn.Module, config: Config, folder: Path) -> list[Path]:
    """The fp16 and the W8A8 image package."""
    facts, tile = models.facts(config.model), config.export.image.tile
    made = build(
        network,
        [Contract("image", str(tile), tile, tile)],
        files.make_folder(folder),
        deployment=config.target.deployment,
        title=facts.title,
        metadata={HALO_KEY: str(facts.receptive_radius), "pipersr_build.scale": f"{facts.scale:g}"},
        smaller=Smaller([METHODS["w8a8"]], rounding),
    )
    return [path for _, path in made]
