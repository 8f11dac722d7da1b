"""Xcode's exported performance report as a witness."""

import json
from pathlib import Path

import pytest

from pipersr_build.errors import InputError
from pipersr_build.mil.package import open_package
from pipersr_build.placement import mlperf

ANE, CPU, GPU = ({"deviceType": {kind: {}}} for kind in ("neuralEngine", "cpu", "gpu"))


def operation(operator, output, preferred=None, supported=None, weight=None, blocks=()):
    usage = {"preferred": preferred} if preferred else None
    if usage and supported:
        usage["supported"] = supported
    return {
        "operatorName": operator,
        "outputs": [{"name": output}],
        "blocks": [{"operations": list(block)} for block in blocks],
        **({"deviceUsage": usage} if usage else {}),
        **({"cost": {"weight": weight}} if weight is not None else {}),
    }


def report(*operations, **more):
    functions = {"main": {"block": {"operations": list(operations)}}}
    return {
        "computeUnit": 3,
        "deviceInfo": {
            "modelName": "iPhone 16",
            "osNameAndVersionWithoutBuildNumber": "iOS 26.3",
            "serialNumber": "SECRET",
            "displayName": "Somebody's phone",
        },
        "deviceResults": {
            "predict": {"samples": [0.004, 0.002, 0.003], "numOperations": 3},
            "load": {"samples": [0.1, 0.2]},
            "modelStructure": {"program": {"_0": {"functions": functions}}},
        },
        **more,
    }


def save(folder: Path, content) -> Path:
    bundle = folder / "net.mlperf"
    bundle.mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (bundle / "report.json").write_text(text)
    return bundle


OPERATIONS = [
    operation("const", "c"),
    operation("ios18.conv", "head", ANE, [CPU, ANE], 0.75),
    operation("ios18.relu", "act", CPU, [CPU], 0.25),
    operation("ios18.relu", "out", CPU, [{"cpu": {}}, {"neuralEngine": {"totalCoreCount": 16}}]),
]


def test_a_report_says_how_fast_and_where(tmp_path):
    found = mlperf.read(save(tmp_path, report(*OPERATIONS)))
    assert (found.device, found.units) == ("iPhone 16, iOS 26.3", "CPU_AND_NE")
    assert (found.predict_ms, found.load_ms, found.compile_ms) == (3.0, pytest.approx(150.0), None)
    [placement] = found.placements
    assert (placement.source, placement.function) == ("measured", "main")
    assert placement.basis.startswith("Xcode's performance report, CPU and Neural Engine allowed; iPhone 16")
    assert [(op.output_name, op.operator, op.verdict) for op in placement.operations] == [
        ("head", "conv", "ane"),
        ("act", "relu", "hard"),
        ("out", "relu", "soft"),
    ]


def test_names_and_numbers_of_a_persons_device_are_not_taken_over(tmp_path):
    told = repr(mlperf.read(save(tmp_path, report(*OPERATIONS))))
    assert "SECRET" not in told
    assert "Somebody" not in told


def test_with_the_package_the_arithmetic_is_there_and_insertions_are_known(net, tmp_path):
    cast = operation("ios18.cast", "x_cast", CPU, [CPU], 0.1)
    [placement] = mlperf.read(save(tmp_path, report(cast, *OPERATIONS)), open_package(net)).placements
    assert [op.inserted for op in placement.operations] == [True, False, False, False]
    estimates = placement.operations[1].estimates
    assert (estimates.share, estimates.flop > 0) == (0.75, True)


def test_only_a_preferred_device_says_nothing_of_the_others(tmp_path):
    one, two = operation("conv", "a", ANE), operation("relu", "b", CPU)
    [placement] = mlperf.read(save(tmp_path, report(one, two))).placements
    assert [(op.verdict, op.preferred) for op in placement.operations] == [("ane", "ane"), ("unknown", "cpu")]


def test_other_spellings_and_nested_blocks_are_read(tmp_path):
    nested = operation(
        "cond", "a", {"deviceType": "gpu"}, [GPU], blocks=[[operation("relu", "b", "cpu", ["cpu"])]]
    )
    content = report(nested, computeUnit=2)
    structure = content["deviceResults"]["modelStructure"]
    structure["program"] = structure["program"]["_0"]
    found = mlperf.read(save(tmp_path, content) / "report.json")
    assert found.units == "ALL"
    assert [(op.operator, op.preferred) for op in found.placements[0].operations] == [
        ("cond", "gpu"),
        ("relu", "cpu"),
    ]


def test_a_report_without_operations_still_has_its_times(tmp_path):
    content = report()
    del content["deviceResults"]["modelStructure"]
    found = mlperf.read(save(tmp_path, content))
    assert (found.placements, found.predict_ms) == ((), 3.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("\x00", "not JSON"),
        ([1, 2], "no Core ML performance report"),
        ({"results": []}, "no Core ML performance report"),
        ({"deviceResults": []}, "no Core ML performance report"),
    ],
)
def test_what_is_no_report_is_refused_with_what_to_do(tmp_path, content, words):
    with pytest.raises(InputError, match=f"(?s){words}.*in Xcode"):
        mlperf.read(save(tmp_path, content))


def test_a_folder_without_a_report_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no report\.json"):
        mlperf.read(tmp_path)


def values(value):
    """The report with one of its values replaced by another kind."""
    yield from (None, 1, "x", [], {}, [None], True, -1.5)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: changed} for changed in values(inner))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in values(inner))


def test_no_change_of_any_value_is_more_than_refused(tmp_path):
    bundle = save(tmp_path, "")
    refused = 0
    for changed in values(report(*OPERATIONS[:2])):
        (bundle / "report.json").write_text(json.dumps(changed))
        try:
            mlperf.read(bundle)
        except InputError:
            refused += 1
    assert refused > 0
