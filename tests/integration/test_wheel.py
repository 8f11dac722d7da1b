"""The wheel, installed in an empty environment away from the checkout, does the main job."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(*words, **more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(word) for word in words],
        check=True,
        capture_output=True,
        text=True,
        env={**clean, "COLUMNS": "160"},
        timeout=400,
        **more,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The console script of a fresh environment that holds the wheel and its dependencies only."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    run(sys.executable, "-m", "venv", folder / "venv")
    run(
        folder / "venv/bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-c",
        ROOT / "constraints/tested.txt",
        *folder.glob("*.whl"),
    )
    return folder / "venv/bin/pipersr-build"


def test_help_and_the_main_job_at_debug_size(installed, tmp_path):
    assert "pipersr-build COMMAND" in run(installed, "--help", cwd=tmp_path).stdout
    done = run(installed, "run", "experiment=debug", cwd=tmp_path)
    assert "not measured" in done.stdout
    assert (tmp_path / "exports/debug/report.html").is_file()


def test_the_configuration_is_the_wheels_own(installed, tmp_path):
    python = installed.with_name("python")
    code = "from pipersr_build.shipped import conf_dir; print(conf_dir())"
    found = run(python, "-c", code, cwd=tmp_path).stdout.strip()
    assert found.endswith("site-packages/pipersr_build/conf")
