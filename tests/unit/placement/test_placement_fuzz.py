"""A slice of the fuzzer's cases: spoilt packages are judged or refused, in every form of report."""

from collections import Counter

import pytest

from tests.fuzz.fuzz_packages import LIMIT_S, run_case, sound_packages, summarise, time_limit

KINDS = (
    "convolutions",
    "palettised",
    "control_flow",
    "stateful",
    "pipeline",
    "multifunction",
    "neural_network",
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return sound_packages(tmp_path_factory.mktemp("sound"), KINDS)


def test_spoilt_packages_are_judged_or_refused(sources, tmp_path):
    outcomes = {number: run_case(sources, 7, number, tmp_path) for number in range(100)}
    assert summarise(outcomes, 7) == 0
    counts = Counter(outcome.kind for outcome in outcomes.values())
    assert counts["refused"] > 20
    assert counts["analysed"] > 5


def test_a_case_is_the_same_again(sources, tmp_path):
    first, again = (run_case(sources, 3, 5, tmp_path) for _ in range(2))
    assert (first.kind, first.label, first.message) == (again.kind, again.label, again.message)


def test_the_fuzzer_finds_what_it_looks_for(sources, tmp_path, monkeypatch, capsys):
    def broken(_):
        raise KeyError("x")

    def endless(_):
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.fuzz_packages.analyse", broken)
    failed = run_case(sources, 1, 1, tmp_path)
    monkeypatch.setattr("tests.fuzz.fuzz_packages.analyse", endless)
    hung = run_case(sources, 1, 2, tmp_path, limit_s=0.1)
    assert (failed.kind, hung.kind) == ("failed", "hung")
    assert summarise({1: failed, 2: hung}, 1) == 1
    assert "KeyError: 'x'" in capsys.readouterr().out


def test_the_limit_is_lifted_again():
    with time_limit(LIMIT_S):
        pass
    import signal

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
