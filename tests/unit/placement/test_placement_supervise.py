"""Limits on a process, without Core ML."""

import subprocess
import sys

import pytest

from pipersr_build.placement import supervise
from pipersr_build.placement.supervise import LimitError, Limits, run

GENEROUS = Limits(30, 8)
MIB = 2**20


def test_the_exit_code_and_what_it_wrote_come_back(tmp_path):
    log = tmp_path / "log.txt"
    code = "import os, sys; print(os.environ['WORD']); sys.exit(5)"
    assert run([sys.executable, "-c", code], log, GENEROUS, {"WORD": "hello"}) == 5
    assert log.read_text() == "hello\n"


def test_a_process_that_starts_others_is_ended_with_them(tmp_path):
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    with pytest.raises(LimitError, match=r"took more than 1\.5 s"):
        run([sys.executable, "-c", code], tmp_path / "log.txt", Limits(1.5, 8))
    pid = (tmp_path / "log.txt").read_text().strip()
    told = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False)
    assert told.stdout.strip()[:1] in ("", "Z")  # gone, or waiting for its new parent to notice


def listed(*rows):
    return [supervise._Process(group, mib * MIB, name) for group, mib, name in rows]


def test_the_systems_compiler_counts_by_what_it_grew(monkeypatch):
    now = listed(
        (7, 100, "python"), (7, 50, "helper"), (1, 900, "/usr/libexec/ANECompilerService"), (2, 5, "x")
    )
    monkeypatch.setattr(supervise, "_processes", lambda: now)
    assert supervise._memory(7, before=300 * MIB) == (150 + 600) * MIB
    assert supervise._memory(7, before=1000 * MIB) == 150 * MIB


def test_without_ps_memory_is_not_limited(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert supervise._processes() == []
    code = "import time; time.sleep(1)"
    assert run([sys.executable, "-c", code], tmp_path / "log.txt", Limits(30, 0.001)) == 0


def test_the_list_of_processes_has_this_one():
    assert any("python" in process.name and process.rss > 10 * MIB for process in supervise._processes())
