"""Whatever Core ML does to the process that asks it, the user gets a sentence, and nothing is left behind."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plan_fixtures import planned

from pipersr_build.errors import InputError, MachineError
from pipersr_build.placement import plan

PLAN = {"functions": {"main": [planned("conv", "head", "ane")]}}
FAILURES = [
    ("abort", MachineError, "Core ML ended with signal SIGABRT.*MILCompilerForANE error"),
    ("segfault", MachineError, "Core ML ended with signal SIGSEGV"),
    ("exit", MachineError, "Core ML ended with exit code 7"),
    ("garbage", MachineError, "Core ML ended with exit code 0"),
    ("refuse", InputError, "Core ML refuses the package: Error compiling model: unknown operation"),
    ("no framework", MachineError, r"(?s)gives no compute plan here.*Mac with macOS 14\.4"),
]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go, to see that none stay."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize(("behaviour", "error", "words"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_failures_become_errors(net, core_ml, scratch, behaviour, error, words):
    core_ml(PLAN, CORE_ML=behaviour)
    with pytest.raises(error, match=words) as caught:
        plan.measure(net)
    assert caught.value.fix
    assert list(scratch.iterdir()) == []


def test_a_hang_ends_at_the_time_limit_and_leaves_no_process(net, core_ml, scratch, monkeypatch, tmp_path):
    core_ml(PLAN, CORE_ML="hang", STARTED=str(tmp_path / "started"))
    children = _noted(monkeypatch)
    start = time.monotonic()
    with pytest.raises(MachineError, match=r"(?s)took more than 2 s.*placement\.timeout_s"):
        plan.measure(net, timeout_s=2)
    assert time.monotonic() - start < 60  # it would sleep for 600
    _gone(children)
    assert list(scratch.iterdir()) == []


def test_too_much_memory_ends_it_too(net, core_ml, scratch, monkeypatch):
    core_ml(PLAN, CORE_ML="memory")
    children = _noted(monkeypatch)
    with pytest.raises(MachineError, match=r"needed \d\.\d GiB of memory, and may take 0\.3 GiB"):
        plan.measure(net, memory_gib=0.3, timeout_s=400)
    _gone(children)
    assert list(scratch.iterdir()) == []


def test_an_interrupt_ends_the_child_and_leaves_nothing(net, core_ml, tmp_path):
    started, folder = tmp_path / "started", tmp_path / "scratch"
    folder.mkdir()
    core_ml(PLAN, CORE_ML="hang", STARTED=str(started))
    code = (
        "import platform, signal, sys\n"
        "from pipersr_build.placement import plan\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "platform.system, platform.mac_ver = lambda: 'Darwin', lambda: ('26.1', ('', '', ''), 'arm64')\n"
        "plan.measure(sys.argv[1])\n"
    )
    # the parent has the real coremltools; only what it starts has the fake one
    code = f"import os, sys\nsys.path.remove({os.environ['PYTHONPATH']!r})\n{code}"
    environment = os.environ | {"TMPDIR": str(folder)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(net)], env=environment, stderr=subprocess.PIPE, text=True
    )
    _wait_for(started, parent)
    child = _children(parent.pid)
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=120)
    assert "KeyboardInterrupt" in said
    assert child
    _gone(child)
    assert list(folder.iterdir()) == []


def test_with_the_real_coremltools_off_a_mac_the_framework_is_missing(net, core_ml, monkeypatch):
    if platform.machine() == "arm64":
        pytest.skip("this machine may have the framework")
    core_ml(PLAN)
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(MachineError, match="gives no compute plan here"):
        plan.measure(net)


def test_the_users_own_caches_are_not_used(net, core_ml, monkeypatch):
    asked = []
    run = plan.run
    monkeypatch.setattr(plan, "run", lambda *words: asked.append(words[3]) or run(*words))
    core_ml(PLAN)
    plan.measure(net)
    [environment] = asked
    assert not Path(environment["CFFIXED_USER_HOME"]).exists()
    assert environment["TMPDIR"].startswith(environment["CFFIXED_USER_HOME"])


def _noted(monkeypatch) -> list[int]:
    """The process ids of everything that is started from now on, `ps` aside."""
    children: list[int] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, words, **options) -> None:
            super().__init__(words, **options)
            if words[0] != "ps":
                children.append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return children


def _children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [pid for pid, ppid in rows if ppid == parent]


def _gone(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _wait_for(file: Path, process: subprocess.Popen) -> None:
    for _ in range(1200):
        if file.exists():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("the child never started to compile")
