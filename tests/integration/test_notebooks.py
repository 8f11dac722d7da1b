"""The notebooks run from first to last, at debug size, each on what the one before left."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """The folder that the notebooks work in, with nothing of this user's Jupyter or matplotlib in reach."""
    monkeypatch.setenv("PIPERSR_NOTEBOOK_SIZE", "debug")
    monkeypatch.setenv("PIPERSR_NOTEBOOK_FOLDER", str(tmp_path / "work"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


def execute(path, folder):
    """A notebook with its results; raises where a cell does."""
    notebook = nbformat.read(path, 4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", timeout=240, resources=where).execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_all_notebooks_run_in_order_without_a_warning(surroundings):
    for path in NOTEBOOKS:
        found = outputs(execute(path, surroundings))
        told = [output for output in found if output.output_type == "stream"]
        assert [output.text for output in told if output.name == "stderr"] == [], path.name
        assert not any("Warning" in output.text for output in told), path.name
        assert sum("image/png" in output.get("data", {}) for output in found) >= 2, path.name
    assert (surroundings / "work/exports/variant/report.html").is_file()
