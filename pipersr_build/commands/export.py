"""`export`: trained weights to checked packages with their evidence."""

from pathlib import Path

import numpy as np
from torch import nn

from pipersr_build import files, machine, models
from pipersr_build.commands import arguments, histograms, other_formats, placing, quality, reproduce
from pipersr_build.commands.about import training_of
from pipersr_build.commands.checks import Checked, Pictures, check_package
from pipersr_build.commands.packing import Made, Packing, packing
from pipersr_build.commands.render import render, show
from pipersr_build.config import Config, command_line, evaluation_folders, load
from pipersr_build.config import plain as settings_of
from pipersr_build.config.wanted import contracts
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.errors import InputError
from pipersr_build.evaluation.peers import with_peers
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.evidence import CensusComparison, Evidence, Fusion, Gate, judge
from pipersr_build.export import formats
from pipersr_build.export.build import build_for_census, check_state
from pipersr_build.export.bundle import LARGEST_RATIO, check_bundle
from pipersr_build.export.compression.methods import parse
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import collapse_branches, count_batch_norms, prove_equal, to_deploy
from pipersr_build.fusion.proof import TOLERANCE
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package
from pipersr_build.models import quantized
from pipersr_build.models.facts import Facts
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import Weights, load_weights, save_weights
from pipersr_build.placement import figures, rules
from pipersr_build.progress import bar, say
from pipersr_build.report import swift
from pipersr_build.runtime.tiling import spans


def main(words: list[str]) -> int:
    """Export `weights=…`, or the shipped ones; return 0 if all gates passed, 1 if one failed.

    With `--check` the packages are made again and compared with those that are there: 1 if one differs.
    """
    words, check = reproduce.asked(bundled(words))
    overrides = arguments.overrides_only(words)
    config = load(overrides)
    path = config.weights or reference_weights(config.model)
    weights = load_weights(path, config.model if arguments.names_group(overrides, "model") else None)
    config.model = weights.config
    if not arguments.names_group(overrides, "name"):
        config.name = weights.name
    if check:
        return reproduce.check(config, weights, preflight(config, writes=False))
    return export(config, weights, command_line("export", words))


def preflight(config: Config, *, writes: bool = True) -> list[Contract]:
    """Find what would stop an export before any time is spent; return the packages to make.

    Args:
        config: the whole configuration.
        writes: whether the export's folder is to be written to.

    Raises:
        InputError: a size, tile, chip or folder that cannot be used.
    """
    wanted, facts = contracts(config.export), models.facts(config.model)
    for name in formats.parse(config.export.formats):
        formats.require(name)
    rules.load().family(config.placement.chip)
    _check_sizes(wanted, facts)
    if config.export.video.bundle:
        check_bundle(wanted, config.target.deployment, compressed=bool(config.export.compress))
    if config.export.video.state:
        models.recurrent_form(config.model)
        check_state(wanted, parse(config.export.compress, config.target.deployment))
    if config.export.image.enabled and facts.receptive_radius is not None:
        spans(1, config.export.image.tile, facts.receptive_radius)
        _mention_waste(config.export.image.tile, facts.receptive_radius)
    pictures = config.evaluation
    for folder in (*evaluation_folders(pictures), pictures.hr, pictures.lr, config.export.calibration):
        if folder and not Path(folder).is_dir():
            raise InputError("no such folder of pictures", where=folder, fix="check the path")
    if writes:
        with placing.place(Path(config.exports), config.name):
            pass
    return wanted


def export(config: Config, weights: Weights, command: str) -> int:
    """Make, check and keep the packages that `config` asks for, and print the gates."""
    wanted = preflight(config)
    with placing.place(Path(config.exports), config.name) as where:
        record = placing.carry_over(where, make(config, weights, wanted, where.stage, command))
        record = with_peers(record, validation_protocol(config.evaluation.protocol))
        render(record, where.stage)
        if not record.failed:
            swift.write_programs(record, where.stage)
        folder = placing.finish(where, record)
    show(record, folder)
    return 1 if record.failed else 0


def make(config: Config, weights: Weights, wanted: list[Contract], stage: Path, command: str) -> Evidence:
    """Everything that an export consists of, in `stage`, but the renderings.

    `wanted` is what `preflight` says of `config`; `command` is for the record.
    """
    plain = quantized.plain(weights.network)
    fusion, deployed, fusion_gate = fold(plain, folder_shown(config))
    save_weights(stage / placing.WEIGHTS, weights.network, weights.config, weights.name)
    training, digest = training_of(weights), files.sha256(stage / placing.WEIGHTS)
    packed, pictures = packing(config, weights, deployed, training, digest), _pictures()
    checked = _packages(config, weights, packed, wanted, stage, pictures)
    others = other_formats.checked(
        config, weights, packed, wanted, stage, pictures=pictures, within=folder_shown(config)
    )
    measured, samples = quality.of_export(config, stage, checked)
    return Evidence(
        name=config.name,
        provenance=machine.provenance(command),
        model=models.describe(weights.config),
        weights_sha256=digest,
        config=settings_of(config),
        training=training,
        fusion=fusion,
        censuses=count_operations(plain, deployed, stage, config.target.deployment),
        packages=[item.record for item in checked],
        files=[item.record for item in others],
        quality=measured,
        samples=samples,
        gates=[
            fusion_gate,
            *(gate for item in checked for gate in item.gates),
            *(gate for item in others for gate in item.gates),
        ],
        roofs=figures.roofs(),
        activations=histograms.of_export(stage, checked, pictures),
    )


def _packages(
    config: Config,
    weights: Weights,
    packed: Packing,
    wanted: list[Contract],
    stage: Path,
    pictures: Pictures,
) -> list[Checked]:
    """Convert, write and check the packages, and the functions of a bundle, one after the other."""
    checked: list[Checked] = []
    if formats.COREML not in formats.parse(config.export.formats):
        return checked
    with bar("export and check", 2 * len(wanted) * (1 + len(packed.smaller.methods))) as shown:
        for made in packed.make(wanted, stage):
            shown.advance(note=f"checking {made.contract.name}")
            found = check_package(
                made.path,
                weights.network,
                pictures,
                target=config.target.deployment,
                placement=config.placement,
                within=folder_shown(config),
                function=made.function,
            )
            checked.append(Checked(found.record, [*found.gates, *_size_gates(made, checked, config)]))
            shown.advance(note=made.contract.name)
    return checked


def _pictures() -> Pictures:
    """Real pictures that packages and files are run on."""
    return [(picture.name, picture.rgb) for picture in photos_corpus().holdout[:2]]


def _size_gates(made: Made, before: list[Checked], config: Config) -> list[Gate]:
    """That a bundle holds its weights once; asked with its first function."""
    if made.function is None or any(item.record.file == made.path.name for item in before):
        return []
    note = f"the whole bundle is {made.ratio:.3f} times its largest package"
    command = f"pipersr-build inspect {folder_shown(config)}/{made.path.name}"
    return [
        judge(
            "weights, of one package's",
            made.path.name,
            made.weights_ratio,
            "at most",
            LARGEST_RATIO,
            "times",
            command=command,
            note=note,
        )
    ]


def bundled(words: list[str]) -> list[str]:
    """The words with `bundle=video` in full: the video packages alone, for a target that has bundles.

    Raises:
        InputError: there is no such bundle.
    """
    asked = [word for word in words if word.startswith("bundle=")]
    if any(word != "bundle=video" for word in asked):
        raise InputError(f"{asked[0]!r} is not understood", where="command line", fix="say bundle=video")
    if not asked:
        return words
    others = [word for word in words if word not in asked]
    target = [] if arguments.names_group(others, "target") else ["target=macos15"]
    group = [] if any(word.startswith("export=") for word in others) else ["export=video"]
    return [*others, *group, *target, "export.video.bundle=true"]


def _check_sizes(wanted: list[Contract], facts: Facts) -> None:
    """Refuse sizes that the network cannot take; say where tiles cannot give the whole picture's result."""
    for contract in wanted:
        if contract.height % facts.size_multiple or contract.width % facts.size_multiple:
            key = "export.image.tile" if contract.kind == "image" else "export.video.size"
            raise InputError(
                f"{facts.title} does not take {contract.width}x{contract.height}",
                where=f"configuration key {key}",
                fix=f"give multiples of {facts.size_multiple}",
            )
    if facts.receptive_radius is None and any(contract.kind == "image" for contract in wanted):
        say(f"{facts.title}: how far a pixel depends on others has no bound, or none that is known, so tiles"
            " do not give exactly the whole picture's result")  # fmt: skip


def _mention_waste(tile: int, halo: int) -> None:
    """Say so where most of what a tile computes is thrown away."""
    kept = tile - 2 * halo
    if kept**2 < tile**2 / 8:
        often = f"every pixel is computed {tile**2 / kept**2:.0f} times"
        say(f"of a {tile}x{tile} tile {kept}x{kept} pixels are kept (halo {halo}), so that {often}:"
            " a larger export.image.tile costs less")  # fmt: skip


def folder_shown(config: Config) -> str:
    """The export's folder as commands in records name it: without folders of this machine."""
    exports = Path(config.exports)
    return str(Path(exports.name if exports.is_absolute() else exports) / config.name)


def fold(network: nn.Module, within: str) -> tuple[Fusion, nn.Module, Gate]:
    """Bring the network to its deployed form in float64, prove it equal, and return it in float32."""
    exact = to_deploy(network.double())
    proof = prove_equal(network, exact)
    record = Fusion(
        parameters_before=models.parameters(network),
        parameters_after=models.parameters(exact),
        batch_norms_folded=count_batch_norms(network) - count_batch_norms(exact),
        max_abs_error=proof.max_abs_error,
    )
    gate = judge(
        "folding exact, float64",
        "network",
        proof.relative_error,
        "at most",
        TOLERANCE,
        "of 1",
        command=f"pipersr-build export weights={within}/{placing.WEIGHTS}",
    )
    network.float()
    return record, exact.float(), gate


def count_operations(
    trained: nn.Module, deployed: nn.Module, folder: Path, deployment: str
) -> list[CensusComparison]:
    """Operations before and after folding, counted on written packages with float32 and Float16 I/O.

    Branches are no operations: a convolution runs their sum in training too.
    """
    comparisons, plain = [], collapse_branches(trained)
    with files.staging(folder) as scratch:
        for io in (np.float32, np.float16):
            before, after = (
                census(open_package(build_for_census(network, scratch, deployment, io)).main)
                for network in (plain, deployed)
            )
            comparisons.append(CensusComparison(io=f"{io.__name__} tensors", before=before, after=after))
    return comparisons
