"""CONTRIBUTING's four steps, done as they are written, in a copy of the repository."""

import os
import shutil
import subprocess
import sys

import pytest

from pipersr_build import evidence
from tests.conftest import ROOT
from tests.documents.blocks import blocks
from tests.documents.workshop import in_bash

STEPS = blocks(ROOT / "CONTRIBUTING.md")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with the new network in it, and nothing else changed."""
    folder = tmp_path_factory.mktemp("contributed")
    for part in ("pipersr_build", "conf", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "records"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in STEPS:
        kind, _, name = block.mark.partition(": ")
        if kind == "file":
            assert not (folder / name).exists(), f"{name} is there already"
            (folder / name).write_text(block.text)
        elif kind == "into":
            (folder / name).write_text(with_lines((folder / name).read_text(), block.text))
    return folder


def with_lines(text, diff):
    """The text with the added lines of a diff, each part of which has its surroundings once."""
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        assert text.count(before) == 1, f"no longer there:\n{before}"
        text = text.replace(before, "".join(line[1:] for line in lines))
    return text


def run(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=240)


def test_there_are_four_steps():
    kinds = [block.mark.partition(" ")[0] for block in STEPS]
    assert kinds == ["file:", "into:", "file:", "file:", "run:"]


def test_its_files_are_clean(copy):
    names = [block.mark.partition(": ")[2] for block in STEPS if block.language in ("python", "diff")]
    for words in (["check"], ["format", "--check"]):
        done = run(copy, "ruff", *words, *names)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_tests_pass(copy):
    done = run(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/models/test_tiny_residual.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_it_trains_folds_exports_and_is_verified(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in STEPS if block.mark.startswith("run: ")]
    assert in_bash(block.text, block.settings, copy) == ""
    record = evidence.load(tmp_path / "exports/tiny/evidence.json")
    assert record.model["family"] == "tiny_residual"
    assert [package.file for package in record.packages] == ["image_96.mlpackage", "video_64x36.mlpackage"]
    assert (record.failed, record.fusion.batch_norms_folded) == ([], 2)
