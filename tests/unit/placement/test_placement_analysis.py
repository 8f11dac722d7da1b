"""Packages of every kind are judged, or refused with a reason."""

import shutil
import time
import zipfile
from collections import Counter

import pytest

from pipersr_build.errors import InputError, MachineError
from pipersr_build.mil.graph import Block, Function, Operation, Output, TensorType
from pipersr_build.mil.package import open_package
from pipersr_build.placement.analysis import analyse
from pipersr_build.placement.predict import predict_function
from tests.fuzz.strange_packages import MODEL, NAMES, write


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """One package of every kind, by name. Read only."""
    folder = tmp_path_factory.mktemp("strange")
    return {name: write(name, folder) for name in NAMES}


def verdicts(package):
    found = analyse(package)
    return {f.name: Counter(op.verdict for op in f.answer.operations) for f in found.functions}


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"no_functions"}))
def test_every_kind_of_package_is_judged(packages, name):
    found = analyse(packages[name])
    assert found.error is None
    assert found.functions
    for function in found.functions:
        assert function.answer is function.predicted
        assert function.predicted.source == "predicted"
        assert function.predicted.operations
        for op in function.predicted.operations:
            assert op.output_name
            assert op.operator
            assert op.reasons or op.verdict in ("ane", "tie")
            assert (op.preferred == "ane") == (op.verdict in ("ane", "tie"))


def test_operations_are_those_of_the_program_in_order(packages):
    for name in ("transformer", "control_flow", "palettised", "stateful"):
        [function] = analyse(packages[name]).functions
        walked = [op.name for op in open_package(packages[name]).main.walk()]
        assert [op.output_name for op in function.predicted.operations] == walked


def test_a_transformer_of_500_operations(packages):
    assert verdicts(packages["transformer"])["main"].total() > 500


def test_every_function_and_every_stage_has_its_own_answer(packages):
    assert set(verdicts(packages["multifunction"])) == {"size_16", "size_32"}
    assert set(verdicts(packages["pipeline"])) == {"1/main", "2/main"}


@pytest.mark.parametrize("name", ["enumerated", "range"])
def test_flexible_shapes_are_dynamic(packages, name):
    assert set(verdicts(packages[name])["main"]) == {"dynamic"}


def test_nested_blocks_are_in_the_answer(packages):
    [function] = analyse(packages["control_flow"]).functions
    operators = [op.operator for op in function.predicted.operations]
    assert {"while_loop", "cond", "relu", "tanh"} <= set(operators)


def test_older_models_are_unknown_layer_by_layer(packages):
    [function] = analyse(packages["neural_network"]).functions
    told = [(op.output_name, op.operator, op.verdict) for op in function.answer.operations]
    assert told == [("middle", "activation", "unknown"), ("y", "activation", "unknown")]
    assert "models of type neuralNetwork" in function.answer.operations[0].reasons[0]
    assert "convert_to='mlprogram'" in function.answer.operations[0].advice[0]
    assert verdicts(packages["linear_regressor"]) == {"main": {"unknown": 1}}


def test_an_mlmodel_file_is_read_too(packages, tmp_path):
    shutil.copy(packages["neural_network"] / MODEL, tmp_path / "old.mlmodel")
    assert verdicts(tmp_path / "old.mlmodel") == {"main": {"unknown": 2}}


def test_a_program_without_functions_is_refused(packages):
    with pytest.raises(InputError, match="no function 'main'"):
        analyse(packages["no_functions"])


def no_package(folder, package):
    (folder / "net.mlpackage.zip").write_bytes(b"PK")
    with zipfile.ZipFile(folder / "net.zip", "w") as archive:
        archive.write(package / "Manifest.json")
    (folder / "net.mlmodelc").mkdir()
    (folder / "compiled").mkdir()
    (folder / "compiled" / "coremldata.bin").write_bytes(b"x")
    shutil.copytree(package, folder / "inside" / "net.mlpackage")
    (folder / "empty.mlpackage").mkdir()
    (folder / "old.mlmodel").write_bytes(b"\xff" * 10)
    (folder / "weights.pth").write_bytes((folder / "net.zip").read_bytes())  # which torch writes as a zip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("net.zip", "zip archive"),
        ("weights.pth", "these are weights and no package"),
        ("net.mlpackage.zip", "is a folder, and this is a file"),
        ("net.mlmodelc", "compiled model"),
        ("compiled", "compiled model"),
        ("inside", "folder of packages"),
        ("empty.mlpackage", "no Manifest.json"),
        ("old.mlmodel", "damaged"),
        ("nowhere", "no such package"),
    ],
)
def test_what_is_no_package_is_named_for_what_it_is(packages, tmp_path, name, expected):
    no_package(tmp_path, packages["identity"])
    with pytest.raises(InputError, match=expected) as caught:
        analyse(tmp_path / name)
    assert caught.value.fix
    assert name in caught.value.where


def test_a_value_that_nothing_computes_and_a_name_that_is_given_twice(packages, tmp_path):
    from pipersr_build.mil.package import read_spec

    def damaged(change):
        copy = tmp_path / "net.mlpackage"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(packages["identity"], copy)
        spec = read_spec(copy / MODEL)
        change(next(iter(spec.mlProgram.functions["main"].block_specializations.values())))
        (copy / MODEL).write_bytes(spec.SerializeToString())
        return copy

    def itself(block):
        block.operations[0].inputs["x"].arguments[0].name = block.operations[0].outputs[0].name

    with pytest.raises(InputError, match="which nothing before it computes"):
        analyse(damaged(itself))
    with pytest.raises(InputError, match="two values of the program are called"):
        analyse(damaged(lambda block: block.operations.add().CopyFrom(block.operations[0])))


def test_core_mls_answer_stands_beside_the_prediction(packages):
    path = packages["multifunction"]

    def measure(asked):
        assert asked == path
        return [f.predicted.model_copy(update={"source": "measured"}) for f in analyse(path).functions]

    for function in analyse(path, measure=measure).functions:
        assert function.answer is function.measured
        assert (function.answer.source, function.predicted.source) == ("measured", "predicted")


def test_a_mac_that_cannot_answer_leaves_the_prediction(packages):
    def hangs(_):
        raise MachineError("no compute plan within 600 s")

    def refuses(_):
        raise InputError("Core ML refuses the package")

    found = analyse(packages["identity"], measure=hangs)
    assert (found.functions[0].measured, found.error) == (None, None)
    assert "600 s" in str(found.unmeasured)
    assert "refuses" in str(analyse(packages["identity"], measure=refuses).error)


def chain(length):
    """A function of `length` operations that read each other's results, some of two branches."""
    tensor = TensorType("fp16", (1, 64, 64, 64))
    operations = []
    for index in range(length):
        kind = ("relu", "add", "sigmoid", "mul")[index % 4]
        inputs = {"x": (f"v{index}",)} | ({"y": (f"v{max(index - 2, 0)}",)} if index % 2 else {})
        operations.append(Operation(kind, inputs, (Output(f"v{index + 1}", tensor),)))
    return Function("main", "CoreML8", {"v0": tensor}, Block((), tuple(operations), (f"v{length}",)))


def test_a_thousand_operations_take_seconds():
    """The promise is 3 s of an idle core; the margin is for machines that do other work as well."""
    program = chain(1000)
    predict_function(chain(2))  # the rules and profiles are read once
    start = time.process_time()
    assert len(predict_function(program).operations) == 1000
    assert time.process_time() - start < 6
