"""The formats beside Core ML that an export is to have: written, read back, checked."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from pipersr_build import files, models
from pipersr_build.commands.about import facts_values
from pipersr_build.commands.checks import Pictures
from pipersr_build.commands.format_checks import CheckedFile, check_file
from pipersr_build.commands.packing import Packing
from pipersr_build.config import Config
from pipersr_build.export import formats
from pipersr_build.export.contracts import Contract
from pipersr_build.export.formats import Written, coreai, onnx
from pipersr_build.models import quantized
from pipersr_build.models.weights import Weights
from pipersr_build.progress import bar


def write(
    config: Config,
    weights: Weights,
    packed: Packing,
    wanted: list[Contract],
    folder: Path,
    twins: Path | None = None,
) -> Iterator[Written]:
    """Write the files of every format but Core ML's that the configuration asks for, one after the other.

    Args:
        config: which formats.
        weights: as they were read.
        packed: the deploy network and what is said about it.
        wanted: the sizes.
        folder: where the files are to lie.
        twins: where small programs are written that are only for checks; None writes none.

    Raises:
        InputError: `folder` cannot be written to.
        ConversionError: an operation stands in the way.
    """
    asked, facts = formats.parse(config.export.formats), models.facts(weights.config)
    network, stated = quantized.plain(packed.network), facts_values(facts)
    if formats.ONNX in asked:
        yield from onnx.Writer(facts, stated, packed.about).write(network, wanted, folder)
    if formats.COREAI in asked:
        yield from coreai.Writer(facts, stated, packed.about).write(network, wanted, folder, twins)


def checked(
    config: Config,
    weights: Weights,
    packed: Packing,
    wanted: list[Contract],
    stage: Path,
    *,
    pictures: Pictures,
    within: str,
) -> list[CheckedFile]:
    """Write the files into `stage` and check each as it lies there; see `write` and `check_file`."""
    others = [name for name in formats.parse(config.export.formats) if name != formats.COREML]
    if not others:
        return []
    network: nn.Module = weights.network
    found: list[CheckedFile] = []
    with files.staging(stage) as twins, bar("other formats", len(wanted) * len(others) + 1) as shown:
        for made in write(config, weights, packed, wanted, stage, twins):
            found.append(check_file(made, network, pictures, within))
            shown.advance(note=made.path.name)
    return found
