import shutil

import pytest

from pipersr_build.cli import main
from pipersr_build.commands.validate import Validation
from pipersr_build.runtime import backends
from pipersr_build.validation import runners


def test_what_was_found_is_written_as_a_record(tiny, tmp_path):
    out = tmp_path / "found" / "parity.json"
    assert main(["validate", str(tiny.video), f"weights={tiny.weights}", f"out={out}"]) == 0
    record = Validation.model_validate_json(out.read_bytes())
    assert {parity.runner for parity in record.parity} == {"interpreter fp16"}
    assert {gate.subject for gate in record.gates} == {"video_v.mlpackage"}
    assert str(tmp_path) not in out.read_text()


def test_core_ml_is_asked_for_the_units_that_are_named(tiny, tmp_path, monkeypatch, capsys):
    asked = []

    def stand_in(package, _choice, compute_units):
        asked.append(compute_units)
        return backends.InterpreterBackend(package)

    real = runners.open_backend

    def opened(package, *, choice, compute_units="", semantics="fp16"):
        if choice == "coreml":
            return stand_in(package, choice, compute_units)
        return real(package, choice=choice, semantics=semantics)

    monkeypatch.setattr(runners, "open_backend", opened)
    shutil.copytree(tiny.video, tmp_path / "v.mlpackage")
    words = ["validate", str(tmp_path / "v.mlpackage"), f"weights={tiny.weights}", "compute_units=cpuOnly"]
    out = tmp_path / "parity.json"
    assert main([*words, f"out={out}"]) == 0
    assert asked == ["cpuOnly"]
    record = Validation.model_validate_json(out.read_bytes())
    assert {parity.runner for parity in record.parity} == {"interpreter fp16", "Core ML, cpuOnly"}
    assert "parity, Core ML" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("word", ["compute_units=gpu", "validation.compute_units=cpu_only"])
def test_units_that_do_not_exist_are_refused(tiny, word, capsys):
    assert main(["validate", str(tiny.video), f"weights={tiny.weights}", word]) == 2
    assert "cpuOnly" in capsys.readouterr().err
