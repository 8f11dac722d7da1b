"""`validate`: parity of packages, ONNX files and Core AI models, read back from disk, with PyTorch."""

import tempfile
from pathlib import Path

from rich.console import Console

from pipersr_build import files, machine
from pipersr_build.commands import arguments, packages
from pipersr_build.commands.checks import Pictures, check_parity
from pipersr_build.commands.format_checks import check_again
from pipersr_build.commands.placing import WEIGHTS
from pipersr_build.config import Config, command_line, load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.evidence import Gate, Parity, Provenance, Record
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.models.weights import Weights, load_weights
from pipersr_build.progress import track
from pipersr_build.report.table import gates_table

SHORT = {key: f"validation.{key}" for key in ("compute_units", "out")}


class Validation(Record):
    """What `validate` found; of files of other formats than Core ML's the gates alone."""

    provenance: Provenance
    parity: list[Parity]
    gates: list[Gate]


def main(words: list[str]) -> int:
    """Validate every package and file that is named; 0 if all pass, 1 if one fails."""
    paths, overrides = arguments.split([arguments.in_full(word, SHORT) for word in words])
    config = load(overrides)
    found = packages.find(paths, "validate", others=True)
    expected = config.model if arguments.names_group(overrides, "model") else None
    pictures: Pictures = [(photo.name, photo.rgb) for photo in photos_corpus().holdout[:2]]
    parity: list[Parity] = []
    gates: list[Gate] = []
    for path in track("validating", found, len(found)):
        found_here = _judge(path, config, expected, pictures)
        parity += found_here[0]
        gates += found_here[1]
    if config.validation.out is not None:
        said = machine.provenance(command_line("validate", words))
        record = Validation(provenance=said, parity=parity, gates=gates)
        files.write_text(Path(config.validation.out), record.model_dump_json(indent=2) + "\n")
    Console().print(gates_table(gates))
    return 1 if any(gate.verdict == "fail" for gate in gates) else 0


def _judge(
    path: Path, config: Config, expected: object, pictures: Pictures
) -> tuple[list[Parity], list[Gate]]:
    """Parity and gates of one package, function by function; of a file of another format its gates alone."""
    parity, gates = list[Parity](), list[Gate]()
    if packages.is_other(path):
        weights = _weights(path, config, expected)
        with tempfile.TemporaryDirectory(prefix="pipersr-build-") as scratch:
            return parity, check_again(path, weights, pictures, Path(scratch))
    package, units = open_package(path), config.validation.compute_units
    check_weights(package)
    weights = _weights(path, config, expected)
    for function in package.each():
        found = check_parity(function, weights.network, pictures, compute_units=units)
        parity += found[0]
        gates += found[1]
    return parity, gates


def _weights(path: Path, config: Config, expected: object) -> Weights:
    return load_weights(config.weights or path.parent / WEIGHTS, expected)
