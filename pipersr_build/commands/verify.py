"""`verify`: ANE placement of packages that anyone made."""

from rich.console import Console

from pipersr_build.commands import arguments, packages
from pipersr_build.commands.checks import check_placement_of
from pipersr_build.config import load
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.progress import track
from pipersr_build.report.table import gates_table, placement_table


def main(words: list[str]) -> int:
    """Check every package that is named; 0 only if every operation of every package can run there."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    found = packages.find(paths, "verify")
    gates = []
    for path in track("verifying", found, len(found)):
        package = open_package(path)
        check_weights(package)
        placements, its_gates = check_placement_of(package, config.placement.chip)
        gates += its_gates
        for placement in placements:
            Console().print(placement_table(placement, path.name))
    Console().print(gates_table(gates))
    return 0 if all(gate.verdict in ("pass", "not measured") for gate in gates) else 1
