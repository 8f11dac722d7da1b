"""What several tests need: quick networks, packages on disk, the commands as a user runs them."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# a busy machine is no failure
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Keep the libraries and the list of tests, which stay to the end, out of every garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def pipersr_build():
    """Run `pipersr-build` in a process of its own: pipersr_build(folder, *words, **run's arguments)."""

    def run(folder, *words, **more):
        environment = {**os.environ, "COLUMNS": "160", **more.pop("env", {})}
        command = [sys.executable, "-m", "pipersr_build", *map(str, words)]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=environment, timeout=240, **more
        )

    return run


@pytest.fixture(scope="session")
def debug_run(pipersr_build, tmp_path_factory):
    """The main job at debug size, once for all tests: (its folder, its process). Read only."""
    folder = tmp_path_factory.mktemp("debug_run")
    return folder, pipersr_build(folder, "run", "experiment=debug")


@pytest.fixture
def shared_data():
    """The folder with the standard test sets; skips where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the standard test sets are not at ../shared/data")
    return folder
