import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import pipersr_build
from pipersr_build import machine


def test_a_package_that_is_not_installed_is_missing():
    assert torch.__version__.startswith(machine.version("torch").partition("+")[0])  # without "+cu126"
    assert machine.version("no-such-package-here") == "missing"


def test_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    assert machine.accelerator() == "A GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for there, name in ((True, "Apple GPU (MPS)"), (False, None)):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=there: there)
        assert machine.accelerator() == name


def test_on_a_mac_the_processor_is_its_chip(monkeypatch):
    def answer(command, **_):
        assert command == ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return SimpleNamespace(stdout="Apple M4 Max\n")

    monkeypatch.setattr(Path, "is_file", lambda _: False)  # there is no /proc/cpuinfo
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", answer)
    assert machine.processor() == "Apple M4 Max"


@pytest.mark.parametrize(("said", "name"), [("i386", "i386"), ("", "unknown")])
def test_elsewhere_it_is_what_python_knows(monkeypatch, said, name):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "processor", lambda: said)
    assert machine.processor() == name


def test_memory_that_the_system_does_not_tell_is_left_out(monkeypatch):
    here = machine.describe()
    assert here.memory_gib is None or here.memory_gib > 0

    def refuse(_):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", refuse)
    assert machine.describe() == here.model_copy(update={"memory_gib": None})


def test_outside_a_checkout_and_without_git_there_is_no_commit(monkeypatch, tmp_path):
    in_a_checkout = machine.provenance("verify")
    assert in_a_checkout.git_commit is None or re.fullmatch("[0-9a-f]{40}", in_a_checkout.git_commit)

    def missing(*_, **__):
        raise FileNotFoundError("git")

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(pipersr_build, "__file__", str(tmp_path / "pipersr_build" / "__init__.py"))
    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.provenance("verify").git_commit is None
    (tmp_path / ".git").rmdir()
    monkeypatch.undo()
    monkeypatch.setattr(pipersr_build, "__file__", str(tmp_path / "pipersr_build" / "__init__.py"))
    made = machine.provenance("verify")
    assert (made.git_commit, made.git_dirty, made.command) == (None, None, "verify")
