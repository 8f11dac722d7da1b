"""Notebooks are kept without results: `python tools/notebooks.py [--strip] FILE …`.

Exit code 1 where one is not fit to be kept; `--strip` takes the results out first.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ABSOLUTE = re.compile(r"(?<![\w.:/)])/(?:home|private|root|tmp|Users|Volumes|work)/")


def problems(path: Path) -> list[str]:
    """What stands against keeping a notebook as it is; empty if nothing does."""
    try:
        notebook = nbformat.read(path, nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, UnicodeDecodeError) as error:
        return [f"it is no valid notebook: {str(error).splitlines()[0]}"]
    return list(_of_notebook(notebook))


def strip(notebook: NotebookNode) -> NotebookNode:
    """A notebook without outputs and execution counts, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _of_notebook(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        yield "its first code cell is not tagged `parameters`"
    if not all(cell.get("id") for cell in notebook.cells):
        yield "a cell has no id"
    if any(cell.outputs or cell.execution_count for cell in code):
        yield "it holds results: python tools/notebooks.py --strip FILE"
    if any(ABSOLUTE.search(cell.source) for cell in notebook.cells):
        yield "it names a path of one machine"


def main(words: list[str]) -> int:
    """Check the named notebooks and say what is wrong with each."""
    paths = [Path(word) for word in words if word != "--strip"]
    if "--strip" in words:
        for path in paths:
            nbformat.write(strip(nbformat.read(path, nbformat.NO_CONVERT)), path)
    found = [f"{path}: {problem}" for path in paths for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
