from types import SimpleNamespace

import pytest
from placement_programs import super_resolution

from pipersr_build.mil.package import open_package
from pipersr_build.placement import chips, figures
from pipersr_build.placement.package_cost import segments, with_latency
from pipersr_build.placement.predict import predict


def test_the_graph_names_what_every_operation_reads(tiny):
    function = open_package(tiny.video).main
    nodes = figures.graph(function)
    assert [node.name for node in nodes] == [op.name for op in function.operations]
    assert nodes[0].reads == list(function.inputs)
    names = {node.name for node in nodes} | set(function.inputs)
    assert all(node.reads and set(node.reads) <= names for node in nodes)
    adds = [node for node in nodes if node.operator == "add"]
    assert [len(node.reads) for node in adds] == [2, 2]  # the block's and the long skip
    assert nodes[-1].shape == [1, 3, 40, 68]


def test_latencies_are_those_of_each_chip_by_itself():
    program = super_resolution()
    package = SimpleNamespace(functions={"main": program}, interfaces={}, default="main", main=program)
    bands = {band.chip: band for band in figures.latencies(package)}
    assert "M4" in bands
    for name, band in bands.items():
        family = chips.load().table[name].family
        [placed] = predict(package, chip=family, function=package.default)
        assert band == with_latency(package.main, placed, name).latency
        assert band.low <= band.expected <= band.high
        assert band.bound
    assert all(chips.load().table[name].known for name in bands)


def test_traffic_adds_up(tiny):
    package = open_package(tiny.video)
    [placed] = predict(package, chip="h16", function=package.default)
    found = figures.traffic(package.main, placed)
    assert found.flop == sum(op.estimates.flop for op in placed.operations)
    assert found.weights + found.streamed == pytest.approx(
        sum(op.estimates.bytes for op in placed.operations)
    )
    assert found.edges == sum(part.boundary for part in segments(package.main, placed))
    assert found.edges < found.streamed


def test_roofs_are_of_chips_whose_rates_are_known_with_their_evidence():
    found = {roof.chip: roof for roof in figures.roofs()}
    assert found["M1"].tflops == chips.load().table["M1"].on("conv", "expected")
    assert "convolutions measured" in found["M1"].evidence
    assert "convolutions inferred" in found["A14"].evidence
    assert all(chips.load().table[name].known for name in found)
