"""The workflows say what is there: commands, targets, files, pinned actions."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from pipersr_build import cli
from pipersr_build.config import load
from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="the workflows are in the checkout alone")


def steps(path):
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job["steps"]


def commands(path):
    """Every line that is run, with each value of the matrix."""
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        versions = job.get("strategy", {}).get("matrix", {}).get("versions", [""])
        for step in job["steps"]:
            for version in versions:
                text = step.get("run", "").replace("${{ matrix.versions }}", version)
                found = (shlex.split(line, comments=True) for line in text.splitlines())
                yield from filter(None, found)


def targets():
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([\w-]+):", text, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_what_github_asks_for(path):
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"}
    assert content[True]  # YAML reads the key `on` as true
    for job in content["jobs"].values():
        assert job["runs-on"] in ("ubuntu-latest", "macos-15")
        assert job["timeout-minutes"] <= 60
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_githubs_own_at_a_version(path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"actions/[\w-]+@v\d+", one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_and_targets_exist(path):
    found = list(commands(path))
    assert found
    for words in found:
        if words[0] == "make":
            names = {word for word in words[1:] if "=" not in word}
            assert names <= targets(), words
        if words[0].endswith("/pipersr-build"):
            assert words[1] in cli.COMMANDS, words


def test_paths_and_settings_in_the_commands_exist():
    for path in WORKFLOWS:
        for words in commands(path):
            for word in words[1:]:
                if re.match(r"(tests|exports/pipersr_2x|constraints)\b", word):
                    assert (ROOT / word).exists(), word
    load(["validation.compute_units=cpuOnly", "validation.out=found/parity.json", "placement.timeout_s=300"])


def test_the_mac_is_asked_for_the_cpu_alone_and_the_absence_of_an_engine_is_said():
    text = (ROOT / ".github/workflows/macos.yml").read_text()
    assert "without a Neural Engine" in text
    [validate] = [words for words in commands(ROOT / ".github/workflows/macos.yml") if "validate" in words]
    assert "compute_units=cpuOnly" in validate


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_check_is_a_script_that_ends_in_make_test():
    script = ROOT / ".ci/run"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.read_text().splitlines()[-1] == "make test"
