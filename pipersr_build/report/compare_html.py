"""The pages that `compare` writes: the networks with their plot, or the changes between two exports."""

from markupsafe import Markup

from pipersr_build.report import compare_table as table
from pipersr_build.report.compare_record import SETS, Change, Changes, Comparison
from pipersr_build.report.templates import environment, text_of


def networks_html(found: Comparison, plot: str) -> str:
    """One self-contained page: the plot, the table, and every published figure with its source.

    Args:
        found: the record.
        plot: from `compare_plot`, which escapes its text.
    """
    rows = [(row, table.cells(row, found)) for row in found.rows]
    page = environment().get_template("compare.html")
    return page.render(
        found=found, plot=Markup(plot), rows=rows, sets=SETS, notes=table.notes(found)
    )  # safe: the plot is XML that was built, not pasted


def changes_html(found: Changes) -> str:
    """One self-contained page: the figures that are asked first, then every change, part by part."""
    page = environment().get_template("changes.html")
    return page.render(
        found=found,
        told=table.told(found),
        glance=list(map(_cells, found.glance)),
        parts={part: list(map(_cells, changes)) for part, changes in table.by_part(found.changes).items()},
        same=", ".join(f"{number} of {part}" for part, number in found.same.items() if number),
        style=text_of("style.css"),
    )


def _cells(change: Change) -> tuple[str, str, str, str]:
    """A change as it stands in a row: what, before, after, difference."""
    return change.key, table.value(change.before), table.value(change.after), table.difference(change)
