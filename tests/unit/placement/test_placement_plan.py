import json
import os
import platform
import subprocess
import time
from pathlib import Path

import pytest

from pipersr_build.errors import InputError, MachineError
from pipersr_build.placement import plan

FAKE = Path(__file__).parent / "fake_core_ml"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package as far as its manifest goes."""
    folder = tmp_path / "net.mlpackage"
    (folder / "Data").mkdir(parents=True)
    (folder / "Data" / "model.mlmodel").write_bytes(b"model")
    entries = {"itemInfoEntries": {"a": {"path": "model.mlmodel"}}, "rootModelIdentifier": "a"}
    (folder / "Manifest.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def core_ml(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Mac whose coremltools is the fake one."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("26.1", ("", "", ""), "arm64"))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_CORE_ML", "normal")
    return monkeypatch


@pytest.mark.usefixtures("core_ml")
def test_the_plan_answers_can_and_will_apart(package: Path) -> None:
    operations = plan.read(package)
    assert [(op.operator, op.output_name) for op in operations] == [
        ("cast", "x_cast_fp16"),
        ("conv", "y"),
        ("cond", "u"),
        ("cumsum", "z"),
    ]
    can, will = plan.supported(operations), plan.dispatched(operations)
    assert [op.verdict for op in can.operations] == ["yes", "yes", "unknown", "no"]
    assert [op.verdict for op in will.operations] == ["no", "yes", "unknown", "no"]
    assert can.source == will.source == "measured"
    assert can.operations[1].reasons == [
        "supported on CPU, GPU, ANE; preferred on ANE, 75.0 % of the estimated work"
    ]
    assert can.operations[2].reasons == ["the plan has no answer for this operation"]


@pytest.mark.usefixtures("core_ml")
def test_compute_plan_asks_can(package: Path) -> None:
    placement = plan.compute_plan(package)
    assert "can the ANE run it" in placement.basis
    assert placement.operations[0].verdict == "yes"


def test_a_function_of_another_name_is_read(package: Path, core_ml: pytest.MonkeyPatch) -> None:
    core_ml.setenv("FAKE_CORE_ML", "other name")
    assert len(plan.read(package)) == 4


FAILURES = [
    ("abort", MachineError, "Core ML ended with signal SIGABRT.*MILCompilerForANE error"),
    ("exit", MachineError, "Core ML ended with exit code 7"),
    ("refuse", InputError, "Core ML refuses the package: Error compiling model: unknown operation"),
    ("no program", InputError, "Core ML refuses the package: it holds no ML program"),
    ("no framework", MachineError, r"(?s)gives no compute plan here.*Mac with macOS 14\.4"),
]


@pytest.mark.parametrize(("behaviour", "error", "words"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_failures_become_errors(
    package: Path, core_ml: pytest.MonkeyPatch, behaviour: str, error: type[Exception], words: str
) -> None:
    core_ml.setenv("FAKE_CORE_ML", behaviour)
    with pytest.raises(error, match=words):
        plan.read(package)


def test_a_hang_ends_at_the_time_limit_and_leaves_no_process(
    package: Path, core_ml: pytest.MonkeyPatch
) -> None:
    core_ml.setenv("FAKE_CORE_ML", "hang")
    children: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words: object, **options: object) -> None:
            super().__init__(*words, **options)  # type: ignore[call-overload]
            children.append(self)

    core_ml.setattr(subprocess, "Popen", Noted)
    start = time.monotonic()
    with pytest.raises(MachineError, match="no compute plan within 2 s"):
        plan.read(package, timeout_s=2)
    assert time.monotonic() - start < 10
    assert len(children) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(children[0].pid, 0)


def test_off_a_mac_the_error_says_what_is_needed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(MachineError, match=r"(?s)only be read on a Mac.*macOS 14\.4") as caught:
        plan.compute_plan(package)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("version", "enough"), [("14.3.1", False), ("13.6", False), ("14.4", True), ("26.0", True)]
)
def test_the_oldest_macos(version: str, enough: bool) -> None:
    if enough:
        plan.require_mac("Darwin", version)
    else:
        with pytest.raises(MachineError, match="too old"):
            plan.require_mac("Darwin", version)


def test_a_missing_package_is_reported_before_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such package"):
        plan.read(tmp_path / "none.mlpackage")


def test_with_the_real_coremltools_off_a_mac_the_framework_is_missing(
    package: Path, core_ml: pytest.MonkeyPatch
) -> None:
    if platform.machine() == "arm64":
        pytest.skip("this machine may have the framework")
    core_ml.delenv("PYTHONPATH")
    with pytest.raises(MachineError, match="gives no compute plan here"):
        plan.read(package)
