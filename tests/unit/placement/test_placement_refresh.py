"""A chip profile made of the compiler's own estimates."""

import pytest
from analytics_text import analytics, line
from placement_programs import const, function, operation, tensor, weight

from pipersr_build.errors import InputError
from pipersr_build.placement import profile
from pipersr_build.placement.analytics import parse
from pipersr_build.placement.profile import MEASURES
from pipersr_build.placement.quantities import Graph, Subject
from pipersr_build.placement.refresh import main, refresh, to_toml

X = tensor(1, 64, 32, 32)
PROGRAM = function(
    [
        operation("conv", X, "a", x="x", weight=weight(64, 64, 3, 3), groups=const(1)),
        operation("relu", X, "b", x="a"),
        operation("conv", X, "c", x="b", weight=weight(64, 64, 3, 3), groups=const(1)),
    ],
    x=X,
)
CONV = {"ane": 0.01, "bnns": 0.2, "classic_cpu": 0.3}
NOTES = parse(
    analytics(
        line("a", "conv", CONV),
        line("b", "relu", {"ane": 0.002, "bnns": 0.002, "classic_cpu": 0.004}),
        line("c", "conv", CONV),
        launch="0x1p-2",
    )
)


@pytest.mark.parametrize("chip", ["M1", "M4", "M3", "h17"])
def test_the_refreshed_profile_estimates_what_the_compiler_did(chip):
    fresh, problems = refresh(PROGRAM, NOTES, chip, "macOS 30.0")
    assert problems == []
    again = profile.parse(to_toml(fresh))
    assert (again.os, again.costs.engine_launch, again.costs.switch) == ("macOS 30.0", 0.25, 0.125)
    for op in PROGRAM.walk():
        found = again.estimate(Subject(op, Graph(PROGRAM)))
        times = NOTES.operations[op.name].times_ms
        assert (found.ane, found.bnns) == pytest.approx((times["ane"], times["bnns"]), rel=1e-5)
        assert found.classic == pytest.approx(times["classic_cpu"], rel=1e-5)
        assert not found.assumed


def test_rows_that_were_not_measured_stay():
    fresh, _ = refresh(PROGRAM, NOTES, "M4", "macOS 30.0")
    before = profile.named("m4_macos27")
    assert len(fresh.rate) == len(before.rate)
    changed = [new.operations for new, old in zip(fresh.rate, before.rate, strict=True) if new != old]
    assert len(changed) == 2
    assert fresh.other_path == before.other_path
    assert profile.parse(to_toml(fresh)) == fresh


def test_operations_of_one_row_that_differ_are_told():
    slow = {end: 2 * ms for end, ms in CONV.items()}
    notes = parse(analytics(line("a", "conv", CONV), line("c", "conv", slow)))
    fresh, [problem] = refresh(PROGRAM, notes, "M4", "macOS 30.0")
    assert "its conditions do not fit this machine" in problem
    subject = Subject(PROGRAM.operations[0], Graph(PROGRAM))
    row = next(row for row in fresh.rate if row.fits(subject))
    rates = sorted(MEASURES[row.measure](subject) / 1e6 / ms for ms in (0.01, 0.02))
    assert row.ane == pytest.approx(sum(rates) / 2, rel=1e-4)


@pytest.mark.parametrize("notes", ["", "something else", analytics(line("z", "conv", CONV))])
def test_notes_on_another_package_are_refused(notes):
    with pytest.raises(InputError, match="no estimates for this package's operations"):
        refresh(PROGRAM, parse(notes), "M4", "macOS 30.0")


def test_the_command_prints_a_profile(net, tmp_path, capsys):
    file = tmp_path / "analytics.mil"
    file.write_text(analytics(line("head", "conv", CONV), line("act", "relu", {"ane": 0.1, "bnns": 0.1})))
    assert main([str(net), str(file), "M4", "macOS 30.0"]) == 0
    assert profile.parse(capsys.readouterr().out).chips == "M4"
    assert main([str(net), str(tmp_path / "none.mil"), "M4", "macOS 30.0"]) == 2
    assert "no estimates" in capsys.readouterr().err
    assert main([]) == 2
