"""`verify`: ANE placement of packages that anyone made."""

from rich.console import Console
from rich.table import Table

from pipersr_build.commands import arguments, packages
from pipersr_build.commands.checks import check_placement
from pipersr_build.config import load
from pipersr_build.evidence import Placement
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.progress import track
from pipersr_build.report.table import gates_table


def main(words: list[str]) -> int:
    """Check every package that is named; 0 only if every operation of every package can run there."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    found = packages.find(paths, "verify")
    gates, tables = [], []
    for path in track("verifying", found, len(found)):
        package = open_package(path)
        check_weights(package)
        placements, its_gates = check_placement(package, config.placement.chip)
        gates += its_gates
        tables += [summary(placement, path.name) for placement in placements]
    for table in tables:
        Console().print(table)
    Console().print(gates_table(gates))
    return 0 if all(gate.verdict in ("pass", "not measured") for gate in gates) else 1


def summary(placement: Placement, name: str) -> Table:
    """One line on the whole package, then every operation that is not a plain yes, with its reasons."""
    yes = sum(operation.verdict == "yes" for operation in placement.operations)
    share = f"{yes} of {len(placement.operations)} operations can run on the ANE"
    table = Table(
        title=f"{name}: {share} ({placement.source})",
        caption="\n".join(
            [f"basis: {placement.basis}", *(f"warning: {text}" for text in placement.warnings)]
        ),
        title_justify="left",
        caption_justify="left",
    )
    for column in ("operation", "output", "can run", "why"):
        table.add_column(column)
    for item in placement.operations:
        if item.verdict != "yes":
            table.add_row(item.operator, item.output_name, item.verdict, "\n".join(item.reasons))
    return table
