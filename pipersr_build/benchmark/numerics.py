"""`bench numerics`: what the Neural Engine's arithmetic may do to pictures, simulated.

The image package of the shipped weights (or of every weights file that is named) is read back from disk and
run by the interpreter with the semantics `fp16`, with `ane`, with its parts one at a time, and, where the
network has SiLU, with that function made of other tables; the weights stay as they were trained. Every
result is held against the true pictures and against that of fp16, and every layer's values against where the
engine's sums end. The record is written after each form; the same command goes on there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from pipersr_build import files, machine, models
from pipersr_build.benchmark.numerics_record import (
    ALTERNATIVES,
    FORMS,
    Conditions,
    Measured,
    Numerics,
    Subject,
    Sums,
    Tables,
    load,
    save,
)
from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import test_sets_of
from pipersr_build.config import Config, command_line
from pipersr_build.config import load as configure
from pipersr_build.config.wanted import contracts
from pipersr_build.errors import InputError
from pipersr_build.evaluation.protocol import compare_psnr, planes, protocol_named, psnr, validation_protocol
from pipersr_build.evaluation.testset import TestSet, Upscale
from pipersr_build.export.build import build
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.ane import tables
from pipersr_build.mil.ane.engine import TABLES, Engine
from pipersr_build.mil.ane.margins import Margins, Sum
from pipersr_build.mil.ane.rounding import to_fp16
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.ops.arguments import Function
from pipersr_build.mil.package import Package, open_package
from pipersr_build.models import quantized
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import Weights, load_weights
from pipersr_build.progress import bar, say
from pipersr_build.runtime.frames import HALO_KEY
from pipersr_build.runtime.upscaler import Upscaler

BASE = ["export=image", "evaluation.protocol=y_float"]
_RGB = protocol_named("rgb_uint8")
Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class _Pictures:
    """A test set with what fp16 makes of it."""

    pictures: TestSet
    fp16: list[np.ndarray]


def main(words: Sequence[str], path: Path) -> Numerics:
    """Simulate, compare and write the record.

    Args:
        words: weights files, the shipped ones if there are none, and settings.
        path: of the record.

    Raises:
        InputError: no such weights, networks of different scales, or a record of other pictures or settings.
    """
    given, overrides = arguments.split(list(words))
    config = configure([*BASE, *overrides])
    named = [*given, *([Path(config.weights)] if config.weights else [])]
    weights = [load_weights(one, None) for one in named or [reference_weights(config.model)]]
    config.model = weights[0].config
    sets = test_sets_of(config)
    record = _start(path, _conditions(config, weights, sets))
    if {one.sha256 for one in record.subjects} <= {one.sha256 for one in weights}:
        made = machine.provenance(command_line("bench numerics", list(words)))  # which makes all of it
        record = record.model_copy(update={"provenance": made})
    for one in weights:
        record = _simulated(record, one, config, sets, path)
    return record


def _conditions(config: Config, weights: Sequence[Weights], sets: Sequence[TestSet]) -> Conditions:
    scales = {float(models.facts(one.config).scale) for one in weights}
    if len(scales) > 1:
        what = f"the networks enlarge {' and '.join(f'{scale:g}' for scale in sorted(scales))} times"
        raise InputError(what, where="command line", fix="compare networks of one scale")
    return Conditions(
        sets={one.name: len(one.pictures) for one in sets},
        protocol=validation_protocol(config.evaluation.protocol),
        tile=config.export.image.tile,
        target=config.target.deployment,
    )


def _start(path: Path, conditions: Conditions) -> Numerics:
    """The record so far, or a new one, which is written with its first row."""
    if not path.is_file():
        return Numerics(provenance=machine.provenance("bench numerics"), conditions=conditions, subjects=[])
    found = load(path)
    if found.conditions != conditions:
        fix = "move it away to start anew, or give another runs=FOLDER"
        raise InputError("the record is of other pictures or settings", where=path, fix=fix)
    return found


def _simulated(
    record: Numerics, weights: Weights, config: Config, sets: Sequence[TestSet], path: Path
) -> Numerics:
    """The record with every form of one network, each as soon as it is done."""
    found = next((one for one in record.subjects if one.sha256 == weights.sha256), None)
    subject = found or Subject(
        weights=weights.name, sha256=weights.sha256, title=_title(weights), rows=[], sums=[], tables=[]
    )
    with files.staging(files.make_folder(path.parent)) as stage:
        package = _package(weights, config, stage)
        wanted = _forms(package)
        if {row.form for row in subject.rows} == set(wanted):
            say(f"{subject.title} is done already")
            return record
        margins, base = _fp16(package, sets, record.conditions.protocol)
        subject = _with(subject, base[1]).model_copy(update=_layers(margins))
        record = _replaced(record, subject)
        for form, engine in wanted.items():
            if engine is None or form in (row.form for row in subject.rows):
                continue
            run = _upscaler(package, Interpreter(package, semantics="ane", engine=engine).run)
            rows = [_compared(form, run, each, record.conditions.protocol) for each in base[0]]
            subject = _with(subject, rows)
            record = _replaced(record, subject)
            save(record, path)
    return record


def _title(weights: Weights) -> str:
    """What a person calls the network; with its activation where it can be chosen."""
    activation = getattr(weights.config, "activation", None)
    title = models.facts(weights.config).title
    return f"{weights.name}: {title}" + (f", {activation}" if activation else "")


def _package(weights: Weights, config: Config, stage: Path) -> Package:
    facts = models.facts(weights.config)
    made = build(
        to_deploy(quantized.plain(weights.network).double()).float(),
        [one for one in contracts(config.export) if one.kind == "image"],
        stage,
        deployment=config.target.deployment,
        title=facts.title,
        metadata={HALO_KEY: str(facts.receptive_radius), "pipersr_build.scale": f"{facts.scale:g}"},
        rewrite=config.export.rewrite,
    )
    return open_package(next(path for _, path in made))


def _forms(package: Package) -> dict[str, Engine | None]:
    """What is simulated of a package, by form, the slow sums last; None: fp16, nothing is.

    Without an activation function from a table all that is known is the sums and the rounding.
    """
    kinds = {op.type for op in package.main.operations}
    if not kinds & TABLES.keys():
        return {"fp16": None, "ane": Engine()}
    quick, slow = {"fp16": None, "tables": Engine(sums={})}, {"ane": Engine(), "sums": Engine(tables={})}
    if "silu" not in kinds:
        return quick | slow
    ways: dict[str, Function] = {
        "sampled": tables.table("silu_sampled"),
        "by_sigmoid": _by_sigmoid,
        "by_tanh": _by_tanh,
    }
    others = {form: Engine(sums={}, tables={**TABLES, "silu": ways[form]}) for form in ALTERNATIVES}
    return quick | others | slow


def _by_sigmoid(x: Tensor) -> Tensor:
    """SiLU of two operations: the table of sigmoid has a fifth of the error."""
    return x * to_fp16(tables.sigmoid(x))


def _by_tanh(x: Tensor) -> Tensor:
    """SiLU of four operations: the table of tanh, which is odd, has its 33 points on half the range."""
    half = to_fp16(0.5 * x)
    return half + to_fp16(half * to_fp16(tables.tanh(half)))


class _Simulated:
    """A back end that runs a package in one form of the arithmetic; see `runtime.backends.Backend`."""

    def __init__(self, package: Package, run: Run) -> None:
        self.name, self.interface, self._run = "simulated", package.interface, run

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._run(inputs)


def _upscaler(package: Package, run: Run) -> Upscale:
    """An image package, run tile by tile."""
    return Upscaler(package, _Simulated(package, run)).upscale


def _fp16(
    package: Package, sets: Sequence[TestSet], protocol: str
) -> tuple[Margins, tuple[list[_Pictures], list[Measured]]]:
    """Every picture in fp16, with what the layers come to."""
    margins = Margins(Interpreter(package))
    upscale = _upscaler(package, margins.run)
    base = [_Pictures(one, list(_enlarged("fp16", upscale, one))) for one in sets]
    return margins, (base, [_scored("fp16", each.fp16, each, protocol) for each in base])


def _enlarged(form: str, upscale: Upscale, pictures: TestSet) -> Iterator[np.ndarray]:
    with bar(f"{form} on {pictures.name}"[:30], len(pictures.pictures)) as shown:
        for pair in pictures.pictures:
            yield upscale(pair.lr)
            shown.advance(note=pair.name)


def _compared(form: str, upscale: Upscale, base: _Pictures, protocol: str) -> Measured:
    return _scored(form, list(_enlarged(form, upscale, base.pictures)), base, protocol)


def _scored(form: str, made: Sequence[np.ndarray], base: _Pictures, protocol: str) -> Measured:
    """Pictures of one form beside the truth and beside fp16."""
    truth, scale = [pair.hr for pair in base.pictures.pictures], base.pictures.scale
    scores, whole = (
        [compare_psnr(sr, hr, protocol, scale) for sr, hr in zip(each, truth, strict=True)]
        for each in (made, base.fp16)
    )
    pairs = list(zip(made, base.fp16, strict=True))
    return Measured(
        form=form,
        dataset=base.pictures.name,
        psnr=float(np.mean(scores)),
        most_lost=max(before - after for before, after in zip(whole, scores, strict=True)),
        nearest=min(psnr(planes(sr, _RGB), planes(other, _RGB)) for sr, other in pairs),
        worst_pixel=max(int(np.abs(sr.astype(int) - other).max()) for sr, other in pairs),
    )


def _layers(margins: Margins) -> dict[str, list[Sums] | list[Tables]]:
    sums: list[Sums] = []
    activations: list[Tables] = []
    for name, one in margins.layers.items():
        if isinstance(one, Sum):
            sums.append(Sums(name=name, kind=one.kind, largest=one.largest, partial=one.partial,
                             margin=one.margin))  # fmt: skip
        else:
            activations.append(Tables(name=name, kind=one.kind, low=one.low, high=one.high, rms=one.rms,
                                      worst=one.worst))  # fmt: skip
    return {"sums": sums, "tables": activations}


def _with(subject: Subject, rows: Sequence[Measured]) -> Subject:
    """The subject with rows that it does not have, in the order of the forms."""
    known = {(row.form, row.dataset) for row in rows}
    kept = [row for row in subject.rows if (row.form, row.dataset) not in known]
    return subject.model_copy(
        update={"rows": sorted([*kept, *rows], key=lambda row: list(FORMS).index(row.form))}
    )


def _replaced(record: Numerics, subject: Subject) -> Numerics:
    subjects = [*record.subjects]
    at = next((i for i, one in enumerate(subjects) if one.sha256 == subject.sha256), len(subjects))
    subjects[at : at + 1] = [subject]
    return record.model_copy(update={"subjects": subjects})
