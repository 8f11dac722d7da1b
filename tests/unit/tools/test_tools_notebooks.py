"""Notebooks are kept without results, and what is not fit to be kept is found."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.conftest import ROOT
from tools import notebooks

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def clean():
    cell = new_code_cell("SIZE = 1", metadata={"tags": ["parameters"]})
    return new_notebook(
        cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )


def found(notebook, tmp_path):
    nbformat.write(notebook, tmp_path / "n.ipynb")
    return notebooks.problems(tmp_path / "n.ipynb")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebooks_are_fit_to_be_kept(path):
    assert notebooks.problems(path) == []
    assert 8 <= len(nbformat.read(path, 4).cells) <= 16


def test_there_are_four_notebooks():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


def test_a_clean_notebook_has_no_problems(clean, tmp_path):
    assert found(clean, tmp_path) == []


def test_results_are_found_and_taken_out(clean, tmp_path):
    clean.cells[0].update(execution_count=3, outputs=[new_output("stream", text="hello")])
    assert any("results" in problem for problem in found(clean, tmp_path))
    assert notebooks.main(["--strip", str(tmp_path / "n.ipynb")]) == 0
    assert found(nbformat.read(tmp_path / "n.ipynb", 4), tmp_path) == []


def test_another_kernel_is_found(clean, tmp_path):
    clean.metadata.kernelspec.name = "mine"
    assert found(clean, tmp_path) == ["its kernel is not python3"]


def test_a_path_of_one_machine_is_found(clean, tmp_path):
    clean.cells[0].source = 'open("' + "/home" + '/me/picture.png")'
    assert found(clean, tmp_path) == ["it names a path of one machine"]


def test_a_missing_settings_cell_is_found(clean, tmp_path):
    clean.cells[0].metadata.tags = []
    assert found(clean, tmp_path) == ["its first code cell is not tagged `parameters`"]


def test_what_is_no_notebook_is_found(tmp_path, capsys):
    (tmp_path / "n.ipynb").write_text("hello")
    assert notebooks.main([str(tmp_path / "n.ipynb")]) == 1
    assert "no valid notebook" in capsys.readouterr().err
