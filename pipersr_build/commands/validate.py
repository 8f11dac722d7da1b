"""`validate`: parity of packages, ONNX files and Core AI models, read back from disk, with PyTorch."""

import tempfile
from pathlib import Path

from rich.console import Console

from pipersr_build.commands import arguments, packages
from pipersr_build.commands.checks import Pictures, check_parity
from pipersr_build.commands.format_checks import check_again
from pipersr_build.commands.placing import WEIGHTS
from pipersr_build.config import Config, load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.evidence import Gate
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.models.weights import Weights, load_weights
from pipersr_build.progress import track
from pipersr_build.report.table import gates_table


def main(words: list[str]) -> int:
    """Validate every package and file that is named; 0 if all pass, 1 if one fails."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    found = packages.find(paths, "validate", others=True)
    expected = config.model if arguments.names_group(overrides, "model") else None
    pictures: Pictures = [(photo.name, photo.rgb) for photo in photos_corpus().holdout[:2]]
    gates = []
    for path in track("validating", found, len(found)):
        gates += _gates(path, config, expected, pictures)
    Console().print(gates_table(gates))
    return 1 if any(gate.verdict == "fail" for gate in gates) else 0


def _gates(path: Path, config: Config, expected: object, pictures: Pictures) -> list[Gate]:
    """The gates of one package, function by function, or of one file."""
    if packages.is_other(path):
        weights = _weights(path, config, expected)
        with tempfile.TemporaryDirectory(prefix="pipersr-build-") as scratch:
            return check_again(path, weights, pictures, Path(scratch))
    package = open_package(path)
    check_weights(package)
    weights = _weights(path, config, expected)
    return [
        gate for function in package.each() for gate in check_parity(function, weights.network, pictures)[1]
    ]


def _weights(path: Path, config: Config, expected: object) -> Weights:
    return load_weights(config.weights or path.parent / WEIGHTS, expected)
