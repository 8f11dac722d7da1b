"""`bench compression`: what fewer bits cost the packages of a network in dB, and what they save.

The image package of the shipped weights (or of `weights=FILE`) is made as it is and in every way of
`export.compression`, or in those of `export.compress`. Each is read back from disk, run by the interpreter,
and measured on the same pictures. The record is written after each package; the same command goes on there.
"""

from collections.abc import Sequence
from pathlib import Path

from pipersr_build import files, machine, models
from pipersr_build.benchmark.compression_record import Compression, Conditions, Row, load, save
from pipersr_build.commands.calibration import smaller_versions
from pipersr_build.commands.evaluate import measure
from pipersr_build.commands.pictures import test_sets_of
from pipersr_build.config import Config, command_line
from pipersr_build.config import load as configure
from pipersr_build.config.wanted import contracts
from pipersr_build.errors import InputError
from pipersr_build.evaluation.packages import open_method
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.evaluation.testset import TestSet
from pipersr_build.export.build import build
from pipersr_build.export.compression.methods import METHODS, method_of
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import open_package
from pipersr_build.models import quantized
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import Weights, load_weights
from pipersr_build.progress import say
from pipersr_build.runtime.frames import HALO_KEY

BASE = [
    "target=macos14",
    "export=image",
    f"export.compress=[{','.join(METHODS)}]",
    "evaluation.protocol=y_float",
]
WHOLE = "fp16, as it is"


def main(words: Sequence[str], path: Path) -> Compression:
    """Make, read back and measure the packages; write the record.

    Raises:
        InputError: a word that is no setting, or a record of other weights, pictures or settings.
    """
    for word in words:
        if "=" not in word:
            raise InputError(f"{word!r} is not understood", where="command line", fix="say KEY=VALUE")
    config = configure([*BASE, *words])
    weights = load_weights(config.weights or reference_weights(config.model), None)
    config.model = weights.config
    sets = test_sets_of(config)
    record = _start(path, _conditions(config, weights, sets), command_line("bench compression", list(words)))
    with files.staging(files.make_folder(path.parent)) as stage:
        for package in _packages(config, weights, stage):
            record = _with(record, package, config, sets)
            save(record, path)
    return record


def _conditions(config: Config, weights: Weights, sets: Sequence[TestSet]) -> Conditions:
    export = config.export
    return Conditions(
        weights=weights.name,
        weights_sha256=weights.sha256,
        sets={one.name: len(one.pictures) for one in sets},
        protocol=validation_protocol(config.evaluation.protocol),
        tile=export.image.tile,
        target=config.target.deployment,
        keep_fp16=export.keep_fp16,
        calibration=Path(export.calibration).name if export.calibration else "the shipped photographs",
    )


def _start(path: Path, conditions: Conditions, command: str) -> Compression:
    """The record so far, or a new one, which is written with its first row."""
    if not path.is_file():
        return Compression(provenance=machine.provenance(command), conditions=conditions, rows=[])
    found = load(path)
    if found.conditions != conditions:
        old, new = found.conditions.model_dump(), conditions.model_dump()
        changed = next(
            f"{key} is {old[key]!r} there, {new[key]!r} here" for key in new if old[key] != new[key]
        )
        fix = "move it away to start anew, or give another runs=FOLDER"
        raise InputError(f"the record is of other conditions ({changed})", where=path, fix=fix)
    return found


def _packages(config: Config, weights: Weights, stage: Path) -> list[Path]:
    """The image package and its smaller versions, as they are written."""
    facts = models.facts(weights.config)
    deployed = to_deploy(quantized.plain(weights.network).double()).float()
    made = build(
        deployed,
        [one for one in contracts(config.export) if one.kind == "image"],
        stage,
        deployment=config.target.deployment,
        title=facts.title,
        metadata={HALO_KEY: str(facts.receptive_radius), "pipersr_build.scale": f"{facts.scale:g}"},
        rewrite=config.export.rewrite,
        smaller=smaller_versions(config, weights, deployed),
    )
    return [path for _, path in made]


def _with(record: Compression, path: Path, config: Config, sets: Sequence[TestSet]) -> Compression:
    """The record with the package's row, measured unless it is there."""
    package = open_package(path)
    method = method_of(package.spec.description.metadata.userDefined)
    key = method.key if method else ""
    if key in (row.method for row in record.rows):
        say(f"{path.stem} is done already")
        return record
    upscale = open_method(package).upscale
    found = [measure(upscale, one, config, path.stem)[0] for one in sets]
    row = Row(
        method=key,
        title=method.title if method else WHOLE,
        bytes=files.size_bytes(path),
        psnr={one.dataset: one.mean_psnr for one in found},
        ssim={one.dataset: one.mean_ssim for one in found},
    )
    order = ["", *METHODS]
    rows = sorted([*record.rows, row], key=lambda one: order.index(one.method))
    return record.model_copy(update={"rows": rows})
