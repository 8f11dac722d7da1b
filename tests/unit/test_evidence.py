import math

import pytest
from pydantic import ValidationError

from pipersr_build import evidence, machine
from pipersr_build.errors import InputError
from pipersr_build.evidence import Evidence, Gate, judge


@pytest.mark.parametrize(
    ("value", "direction", "source", "verdict"),
    [
        (50.0, "at least", "measured", "pass"),
        (49.9, "at least", "measured", "fail"),
        (2.0, "at most", "measured", "pass"),
        (50.1, "at most", "measured", "fail"),
        (-math.inf, "at least", "measured", "fail"),
        (math.inf, "at least", "measured", "pass"),
        (math.nan, "at least", "measured", "fail"),
        (math.nan, "at most", "measured", "fail"),
        (None, "at least", "not measured", "not measured"),
        (None, "at least", "predicted", "unknown"),
    ],
)
def test_verdicts(value, direction, source, verdict):
    threshold = 50.0
    assert judge("g", "s", value, direction, threshold, "dB", source=source, command="c").verdict == verdict


def minimal(**more):
    return Evidence(name="n", provenance=machine.provenance("pipersr-build run"), model={}, config={}, **more)


def test_a_record_comes_back_from_disk_with_infinities(tmp_path):
    record = minimal(gates=[judge("g", "s", -math.inf, "at least", 1, "dB", command="c")])
    evidence.save(record, tmp_path / "evidence.json")
    assert evidence.load(tmp_path / "evidence.json") == record


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 1, "extra": 2}'])
def test_files_of_another_shape_are_refused(tmp_path, text):
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(InputError, match="schema"):
        evidence.load(tmp_path / "e.json")
    with pytest.raises(InputError, match="no evidence"):
        evidence.load(tmp_path / "none.json")


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError):
        Gate(**judge("g", "s", 1.0, "at least", 1, "dB", command="c").model_dump(), colour="red")


def test_provenance_names_the_machine_and_the_versions():
    found = machine.provenance("pipersr-build doctor")
    assert found.torch.startswith("2.")
    assert found.machine.cores >= 1
    assert found.created.endswith("+00:00")
