"""The compiler's private notes: what is read of them, and that nothing in them can do harm."""

from pathlib import Path

import pytest
from analytics_text import RENAMED, analytics, line
from hypothesis import given
from hypothesis import strategies as st
from plan_fixtures import planned

from pipersr_build.placement import plan
from pipersr_build.placement.analytics import FILE, find, parse, read

REFUSAL = 'Unsupported MIL operation "acos", or (so) {it} seems.'


def test_times_choices_and_refusals_are_read_by_output_name():
    conv = line("head", "conv", {"ane": 0.5, "bnns": 4.0, "classic_cpu": 3.0})
    acos = line(f"out{RENAMED}", "acos", {"bnns": 6.25e-06}, "bnns", REFUSAL)
    found = parse(analytics(conv, acos))
    assert list(found.operations) == ["head", "out"]
    head, out = found.operations.values()
    assert (head.operator, head.selected, head.messages) == ("conv", "ane", {})
    assert set(head.supported) == {"bnns", "classic_cpu", "ane"}
    assert (head.time("ane"), head.time("cpu"), head.time("gpu")) == (0.5, 3.0, None)
    assert (out.times_ms, out.messages) == ({"bnns": 6.25e-06}, {"ane": REFUSAL})
    assert (out.supported, out.time("ane")) == (("bnns",), None)


def test_costs_of_starting_and_switching_are_read_in_cs_hexadecimal():
    found = parse(analytics(launch="0x1.8p-2", switch="0.25"))
    assert found.constants_ms["Launch_ane_ms"] == 0.375
    assert found.constants_ms["Src_ane_Dest_bnns_ms"] == 0.25
    assert found.operations == {}


def test_several_results_count_as_their_operation_by_the_first():
    text = analytics(line("a", "lstm", {"bnns": 1.0})).replace(
        "tensor<fp16, [1, 8]> a =",
        "tensor<fp16, [1, 8]> a, tensor<fp16, [1]> b, state<tensor<fp16, [2]>> c =",
    )
    assert list(parse(text).operations) == ["a"]


@pytest.mark.parametrize("time", ["nan", "inf", "-1.0", "soon", ""])
def test_a_time_that_is_none_is_left_out(time):
    text = analytics(line("a", "relu", {"ane": 0.5, "bnns": 0.25})).replace("0.5", time)
    assert parse(text).operations["a"].times_ms == {"bnns": 0.25}


@given(st.text() | st.lists(st.sampled_from('"\\{}()[]=<>,; \nfp64')).map("".join))
def test_text_of_any_form_gives_what_it_gives_and_no_error(noise):
    good = line("good", "relu", {"ane": 1.0})
    found = parse(f"{noise}\n{good}\n{noise}")
    assert found.operations["good"].times_ms == {"ane": 1.0}
    cut = line("cut", "relu", {"ane": 1.0}, said="no")
    parse(cut[: len(noise)] + noise + cut[len(noise) :])


def test_the_file_that_knows_most_of_the_operations_is_taken(tmp_path: Path):
    for place, names in (("one", "a"), ("two/deeper", "ab"), ("three", "")):
        (tmp_path / place).mkdir(parents=True)
        lines = [line(name, "relu", {"ane": 1.0}) for name in names]
        (tmp_path / place / FILE).write_text(analytics(*lines))
    assert set(find(tmp_path, ["a", "b", "c"]).operations) == {"a", "b"}


def test_without_a_readable_file_there_are_no_notes(tmp_path: Path):
    assert find(tmp_path / "nowhere", ["a"]).operations == {}
    assert read(tmp_path / FILE).operations == {}
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00" + analytics(line("a", "relu", {})).encode("utf-16"))
    assert read(tmp_path / FILE).operations == {}


HEAD = planned("ios18.conv", "head", "ane", "cpu", cost=0.6)


def measured(net, core_ml, tmp_path, text, *operations):
    file = tmp_path / "notes.mil"
    file.write_text(text)
    core_ml({"functions": {"main": [HEAD, *operations]}}, ANALYTICS=str(file))
    [found] = plan.measure(net)
    return found


def test_a_measurement_has_the_compilers_reasons_and_times(net, core_ml, tmp_path):
    text = analytics(
        line("head", "conv", {"ane": 1.0, "bnns": 9.0}),
        line("act", "relu", {"bnns": 0.002, "classic_cpu": 0.003}, "bnns", "Unsupported tensor data type"),
        line("out", "relu", {"ane": 0.001, "bnns": 0.004}, "bnns"),
    )
    act, out = planned("relu", "act", "cpu"), planned("relu", "out", "cpu", "ane")
    found = measured(net, core_ml, tmp_path, text, act, out)
    assert [op.verdict for op in found.operations] == ["ane", "hard", "soft"]
    assert found.operations[1].reasons == ["Core ML's compiler: Unsupported tensor data type"]
    [reason] = found.operations[2].reasons
    assert reason.endswith("prefers the CPU (its estimates: 1.00 µs on the ANE, 4.00 µs on the CPU)")
    times = [(op.estimates.ane_ms, op.estimates.cpu_ms) for op in found.operations]
    assert times == [(1.0, 9.0), (None, 0.002), (0.001, 0.004)]
    # conv on the engine: launch, switch; then two on the CPU
    assert found.totals.expected == pytest.approx(1.0 + 0.125 + 0.125 + 0.002 + 0.004)
    assert found.totals.cpu == pytest.approx(9.0 + 0.002 + 0.004)


def test_a_last_operation_of_equal_cost_is_a_tie(net, core_ml, tmp_path):
    same = {"ane": 0.002, "bnns": 0.002}
    text = analytics(
        line("head", "conv", {"ane": 1.0, "bnns": 9.0}),
        line("act", "relu", same),
        line(f"out{RENAMED}", "relu", same, "bnns"),
    )
    act, out = planned("relu", "act", "ane", "cpu"), planned("relu", "out", "cpu", "ane")
    found = measured(net, core_ml, tmp_path, text, act, out)
    assert [op.verdict for op in found.operations] == ["ane", "ane", "tie"]
    assert "exactly as much" in found.operations[2].reasons[0]


def test_where_times_are_missing_nothing_is_called_a_tie(net, core_ml, tmp_path):
    text = analytics(line("head", "conv", {"ane": 1.0, "bnns": 9.0}), line("out", "relu", {"ane": 0.1}))
    act, out = planned("relu", "act", "ane", "cpu"), planned("relu", "out", "cpu", "ane")
    found = measured(net, core_ml, tmp_path, text, act, out)
    assert [op.verdict for op in found.operations] == ["ane", "ane", "soft"]
    assert found.totals is None


def test_notes_of_an_unknown_form_change_nothing(net, core_ml, tmp_path):
    found = measured(net, core_ml, tmp_path, "analytics 2.0: {all: different}", planned("relu", "act", "cpu"))
    assert found.operations[1].reasons == ["the plan lists only CPU for it"]
