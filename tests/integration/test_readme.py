"""The README's commands work, in its order, in an empty folder."""

import re
import shlex

import pytest

from pipersr_build import cli
from pipersr_build.report import documents
from tests.conftest import ROOT

TAKES_SETTINGS = {"run", "train", "export", "verify", "evaluate"}


def commands():
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [shlex.split(line)[1:] for line in block[1].splitlines()]


def test_every_command_of_the_readme_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for words in commands():
        more = ["experiment=debug"] if words[0] in TAKES_SETTINGS else []
        assert cli.main([*words, *more]) == 0, (words, capfd.readouterr().err)


@pytest.mark.parametrize("path", documents.documents(), ids=lambda path: path.name)
def test_the_tables_are_what_the_records_say(path):
    text = path.read_text()
    assert documents.render(text) == text, "render it: python -m pipersr_build.report.documents"


@pytest.mark.parametrize(
    "path", [*documents.documents(), ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_links_and_paths_in_the_documents_exist(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
