"""The hooks before a commit name tools that the project's environment has."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

load_config = pytest.importorskip("pre_commit.clientlib").load_config  # a tool of development
CONFIG = ROOT / ".pre-commit-config.yaml"
HOOKS = {hook["id"]: hook for repo in load_config(CONFIG)["repos"] for hook in repo["hooks"]}


def test_no_hook_needs_a_network():
    assert {repo["repo"] for repo in load_config(CONFIG)["repos"]} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} <= {
        "system",
        "unsupported",
    }  # of older, newer releases


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_hooks_tool_is_installed(hook):
    runner, tool, *more = hook["entry"].split()
    assert runner == "tools/in_env"
    assert shutil.which(tool, path=Path(sys.executable).parent), tool
    assert all((ROOT / word).is_file() for word in more if word.endswith(".py"))


def test_the_hooks_that_there_are():
    assert {"ruff-check", "ruff-format", "mypy", "notebooks", "end-of-file", "large-files"} <= HOOKS.keys()


def test_a_tool_is_run_from_dot_venv_where_no_environment_is_active(tmp_path):
    tool = tmp_path / ".venv/bin/tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho $1 of .venv\n")
    tool.chmod(0o755)
    words, clean = [ROOT / "tools/in_env", "tool", "word"], {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True)
    assert done.stdout == "word of .venv\n"
