"""Core ML's plan of an ML program, asked in another process: verdicts, reasons, differences."""

import platform
from pathlib import Path

import pytest
from plan_fixtures import planned

from pipersr_build.errors import InputError, MachineError
from pipersr_build.mil.package import open_package
from pipersr_build.placement import plan

HEAD = planned("ios18.conv", "head", "ane", "cpu", cost=0.75)
ACT = planned("ios18.relu", "act", "ane", "cpu", cost=0.125)
OUT = planned("ios18.relu", "out", "cpu", "ane", cost=0.125)


def program(*operations):
    return {"functions": {"main": list(operations)}}


def test_every_operation_has_the_verdict_of_the_plan(net, core_ml):
    core_ml(program({"operator": "const", "output": "c"}, HEAD, planned("relu", "act", "cpu"), OUT))
    [found] = plan.measure(open_package(net))
    assert (found.source, found.function) == ("measured", "main")
    assert [(op.output_name, op.operator, op.verdict) for op in found.operations] == [
        ("head", "conv", "ane"),
        ("act", "relu", "hard"),
        ("out", "relu", "soft"),
    ]
    assert found.operations[0].supported == ["ane", "cpu"]
    assert [op.preferred for op in found.operations] == ["ane", "cpu", "cpu"]
    assert found.operations[1].reasons == ["the plan lists only CPU for it"]
    assert found.operations[2].reasons == ["the ANE can run it and Core ML prefers the CPU"]
    assert "CPU and Neural Engine allowed; macOS 26.1" in found.basis
    assert found.warnings == []


def test_the_cost_weight_is_a_share_beside_the_arithmetic(net, core_ml):
    core_ml(program(HEAD, ACT, OUT))
    [found] = plan.measure(net)
    estimates = found.operations[0].estimates
    assert estimates is not None
    assert estimates.share == 0.75
    assert estimates.flop == 2 * 8 * 8 * 9 * 16 * 16
    assert (estimates.ane_ms, estimates.cpu_ms) == (None, None)


def test_no_answer_is_unknown_and_never_yes(net, core_ml):
    core_ml(program(HEAD, planned("relu", "act"), OUT))
    [found] = plan.measure(net)
    assert [op.verdict for op in found.operations] == ["ane", "unknown", "soft"]
    assert (found.operations[1].supported, found.operations[1].preferred) == ([], None)


def test_a_plan_without_any_answer_is_explained(net, core_ml):
    core_ml(program(*(planned("relu", name) for name in ("head", "act", "out"))))
    [found] = plan.measure(net)
    assert {op.verdict for op in found.operations} == {"unknown"}
    assert "export it for a later deployment target (its operation set is CoreML8" in found.warnings[0]


def test_operations_that_only_one_side_has_are_shown(net, core_ml):
    cast = planned("ios18.cast", "head_cast_uint16", "cpu", cost=0.1)
    core_ml(program(HEAD, cast, OUT))
    [found] = plan.measure(net)
    assert [op.inserted for op in found.operations] == [False, True, False]
    assert found.operations[1].estimates is None
    assert found.operations[1].reasons[-1] == "10.0 % of Core ML's whole estimate"
    assert found.warnings == [
        "Core ML inserted 1 operations: head_cast_uint16",
        "1 operations of the package are not in the plan, folded or replaced: act",
    ]


def test_nested_blocks_are_read_and_compile_time_operations_left_out(net, core_ml):
    outer = {**planned("cond", "act"), "blocks": [[planned("const", "k"), planned("cumsum", "z", "cpu")]]}
    core_ml(program(planned("ios18.constexpr_lut_to_dense", "w"), HEAD, outer, OUT))
    [found] = plan.measure(net)
    assert [op.output_name for op in found.operations] == ["head", "act", "z", "out"]


def test_an_operation_without_outputs_and_a_device_without_a_name(net, core_ml):
    odd = {"operator": "ios18.write_state", "supported": ["new", "ane"], "preferred": "new"}
    core_ml(program(HEAD, ACT, OUT, odd))
    [found] = plan.measure(net)
    last = found.operations[-1]
    assert (last.output_name, last.supported, last.preferred) == ("write_state", ["ane"], None)
    assert last.verdict == "unknown"


def test_the_gpu_in_the_plan_of_an_engine_only_request_means_the_dynamic_path(net, core_ml):
    core_ml(program(*(planned("relu", name, "ane", "gpu", "cpu") for name in ("head", "act")), OUT))
    [found] = plan.measure(net)
    assert [op.verdict for op in found.operations] == ["dynamic"] * 3
    assert "fixed shape" in found.warnings[0]


@pytest.mark.parametrize(("cost", "verdict"), [(0.5, "ane"), (None, "dynamic")])
def test_with_all_devices_allowed_only_missing_costs_mean_it(net, core_ml, cost, verdict):
    operations = (planned("relu", name, "ane", "gpu", "cpu", cost=cost) for name in ("head", "act", "out"))
    core_ml(program(*operations), UNITS="ALL")
    [found] = plan.measure(net, compute_units="all")
    assert {op.verdict for op in found.operations} == {verdict}
    assert "all devices allowed" in found.basis


def test_compute_units_without_the_engine_are_refused(net):
    with pytest.raises(InputError, match=r"(?s)'cpu_only'.*one of: cpu_and_ne, all"):
        plan.measure(net, compute_units="cpu_only")


def test_off_a_mac_the_error_says_what_is_needed(net, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(MachineError, match=r"(?s)only be read on a Mac.*macOS 14\.4") as caught:
        plan.measure(net)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("version", "enough"), [("14.3.1", False), ("13.6", False), ("", False), ("14.4", True), ("26.0", True)]
)
def test_the_oldest_macos(version, enough):
    if enough:
        plan.require_mac("Darwin", version)
    else:
        with pytest.raises(MachineError, match="too old"):
            plan.require_mac("Darwin", version)


def test_a_missing_package_is_reported_before_the_machine(tmp_path: Path):
    with pytest.raises(InputError, match="no such package"):
        plan.measure(tmp_path / "none.mlpackage")
