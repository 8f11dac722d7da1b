"""The pages that `compare` writes: the networks with their plot, or the changes between two exports."""

from markupsafe import Markup

from pipersr_build.report import compare_table as table
from pipersr_build.report.compare_record import SETS, Changes, Comparison
from pipersr_build.report.templates import environment


def networks_html(found: Comparison, plot: str) -> str:
    """One self-contained page: the plot, the table, and every published figure with its source.

    Args:
        found: the record.
        plot: from `compare_plot`, which escapes its text.
    """
    rows = [(row, table.cells(row, found)) for row in found.rows]
    page = environment().get_template("compare.html")
    return page.render(
        found=found, changes=None, plot=Markup(plot), rows=rows, sets=SETS, notes=table.notes(found)
    )  # safe: the plot is XML that was built, not pasted


def changes_html(found: Changes) -> str:
    """One self-contained page with every change."""
    rows = [(c, table.value(c.before), table.value(c.after), table.difference(c)) for c in found.changes]
    page = environment().get_template("compare.html")
    return page.render(found=found, changes=rows, plot="", rows=[], sets=SETS, notes=[])
