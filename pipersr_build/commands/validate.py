"""`validate`: parity of packages, read back from disk, with PyTorch."""

from pathlib import Path

from rich.console import Console

from pipersr_build.commands import arguments, packages
from pipersr_build.commands.checks import Pictures, check_parity
from pipersr_build.commands.publish import WEIGHTS
from pipersr_build.config import load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import track
from pipersr_build.report.table import gates_table


def main(words: list[str]) -> int:
    """Validate every package that is named; 0 if all pass, 1 if one fails."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    found = packages.find(paths, "validate")
    expected = config.model if arguments.names_group(overrides, "model") else None
    pictures: Pictures = [(photo.name, photo.rgb) for photo in photos_corpus().holdout[:2]]
    gates = []
    for path in track("validating", found, len(found)):
        package = open_package(path)
        check_weights(package)
        weights = load_weights(config.weights or Path(path).parent / WEIGHTS, expected)
        for function in package.each():
            gates += check_parity(function, weights.network, pictures)[1]
    Console().print(gates_table(gates))
    return 1 if any(gate.verdict == "fail" for gate in gates) else 0
