"""Multifunction packages, neural networks and pipelines: a placement for each part."""

from pathlib import Path

import pytest
from plan_fixtures import planned

from pipersr_build import quiet
from pipersr_build.errors import MachineError
from pipersr_build.mil.package import open_package
from pipersr_build.placement import plan
from pipersr_build.placement.projection import project

NAMES = ("head", "act", "out")


def operations(*devices: str):
    return [planned("ios18.relu", name, *devices) for name in NAMES]


def contents(package: Path) -> dict[str, bytes]:
    return {str(p.relative_to(package)): p.read_bytes() for p in package.rglob("*") if p.is_file()}


def test_each_function_is_planned_by_itself(both, core_ml):
    before = contents(both)
    core_ml({"functions": {"small": operations("cpu", "ane"), "large": operations("ane", "cpu")}})
    found = {placement.function: placement for placement in plan.measure(open_package(both))}
    assert [op.verdict for op in found["small"].operations] == ["soft"] * 3
    assert [op.verdict for op in found["large"].operations] == ["ane"] * 3
    flop = {name: found[name].operations[0].estimates.flop for name in found}
    assert flop["large"] == 4 * flop["small"]
    assert contents(both) == before


def test_a_projection_is_a_package_of_one_function_with_every_name_kept(both, tmp_path):
    package = open_package(both)
    alone = open_package(project(package, "large", tmp_path))
    assert (list(alone.functions), alone.default) == (["large"], "large")
    assert list(alone.interfaces) == ["large"]
    assert [op.name for op in alone.main.walk()] == [op.name for op in package.functions["large"].walk()]
    ours, theirs = (one.functions["large"].operations[0].constant("weight") for one in (alone, package))
    assert ours.numpy().tolist() == theirs.numpy().tolist()


def test_a_projection_without_links_is_a_copy(both, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    alone = open_package(project(open_package(both), "small", tmp_path))
    assert alone.main.operations[0].constant("weight").numpy().shape == (8, 8, 3, 3)


def test_a_plan_without_the_function_is_an_error(both, core_ml):
    core_ml({"functions": {"small": operations("ane")}})
    with pytest.raises(MachineError, match="no function 'large'"):
        plan.measure(both)


def test_a_function_may_have_another_name_in_the_plan(net, core_ml):
    core_ml({"functions": {"net": operations("ane")}})  # not in the model file
    with pytest.raises(MachineError, match="no function 'main'"):
        plan.measure(net)
    core_ml({"functions": {"relu": operations("ane")}})
    [found] = plan.measure(net)
    assert found.function == "main"


def network(ct):
    """An older kind of model with two layers."""
    spec = ct.proto.Model_pb2.Model(specificationVersion=4)
    for name, layer in (("a", "activation"), ("b", "softmax")):
        added = spec.neuralNetwork.layers.add(name=f"{name}_layer", output=[name])
        getattr(added, layer).SetInParent()
    return spec


def save(spec, path: Path) -> Path:
    path.write_bytes(spec.SerializeToString())
    return path


LAYERS = {"layers": [planned("activation", "a", "ane", "cpu"), planned("softmax", "b", "cpu")]}


def test_layers_of_a_neural_network(core_ml, tmp_path):
    model = save(network(quiet.coremltools()), tmp_path / "old.mlmodel")
    core_ml(LAYERS)
    [found] = plan.measure(model)
    assert [(op.output_name, op.operator, op.verdict, op.inserted) for op in found.operations] == [
        ("a", "activation", "ane", False),
        ("b", "softmax", "hard", False),
    ]
    assert found.function == "main"
    assert found.warnings == []


def test_layers_have_no_costs_and_are_not_dynamic_for_that(core_ml, tmp_path):
    model = save(network(quiet.coremltools()), tmp_path / "old.mlmodel")
    layers = [planned("activation", "a", "ane", "gpu", "cpu"), planned("softmax", "b", "cpu")]
    core_ml({"layers": layers}, UNITS="ALL")
    [found] = plan.measure(model, compute_units="all")
    assert [op.verdict for op in found.operations] == ["ane", "hard"]


@pytest.mark.parametrize("shape", ["tuple", "mapping"])
def test_models_of_a_pipeline_are_named_as_predictions_name_them(net, core_ml, tmp_path, shape):
    ct = quiet.coremltools()
    spec = ct.proto.Model_pb2.Model(specificationVersion=9)
    spec.pipeline.names.extend(["first", "second"])
    spec.pipeline.models.add().CopyFrom(network(ct))
    spec.pipeline.models.add().CopyFrom(open_package(net).spec)
    model = save(spec, tmp_path / "chain.mlmodel")
    core_ml(
        {"models": {"x": LAYERS, "y": {"functions": {"main": operations("ane")}}}},
        PIPELINE=shape,
    )
    older, newer = plan.measure(model)
    assert (older.function, newer.function) == ("1 first", "2 second/main")
    assert [op.verdict for op in older.operations] == ["ane", "hard"]
    assert newer.operations[0].estimates.flop > 0  # joined with the program in the pipeline


def test_parts_that_do_not_match_ours_keep_core_mls_names(core_ml, tmp_path):
    ct = quiet.coremltools()
    spec = ct.proto.Model_pb2.Model(specificationVersion=4)
    spec.pipeline.names.append("only")
    spec.pipeline.models.add().CopyFrom(network(ct))
    core_ml({"models": {"x": LAYERS, "y": {}}})
    one, two = plan.measure(save(spec, tmp_path / "chain.mlmodel"))
    assert (one.function, two.function) == ("x", "y")
    assert two.operations == []
    assert "does not take this model apart" in two.warnings[0]
