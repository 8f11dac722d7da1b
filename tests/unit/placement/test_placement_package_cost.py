import math

import pytest
from placement_programs import const, function, one, operation, super_resolution, tensor, weight

from pipersr_build.evidence import Estimates, OperationPlacement, Placement
from pipersr_build.placement import chips, latency, package_cost
from pipersr_build.placement.quantities import Graph, Subject

MAP = (1, 64, 360, 640)
SIZE = 2 * math.prod(MAP)


def placed(program, *devices):
    """A placement with these devices, by default the engine for all."""
    operations = list(program.walk())
    where = devices or ("ane",) * len(operations)
    records = [
        OperationPlacement(
            output_name=op.name,
            operator=op.type,
            supported=["cpu"],
            preferred=device,
            verdict="ane" if device == "ane" else "unknown" if device is None else "hard",
            reasons=[],
            estimates=Estimates(flop=0, bytes=0, intensity=None, cpu_ms=2.0),
        )
        for op, device in zip(operations, where, strict=True)
    ]
    return Placement(source="predicted", basis="a test", operations=records)


def cost(program, **more):
    return package_cost.cost(Subject(program.operations[-1], Graph(program)), **more)


def conv(*shape, groups=1, result=None, **numbers):
    constants = {name: const(value) for name, value in numbers.items()}
    return one(
        "conv", result or tensor(*MAP), tensor(*MAP), weight=weight(*shape), groups=const(groups), **constants
    )


def test_a_dense_convolution():
    found = cost(conv(64, 64, 3, 3))
    assert found.kind == "conv"
    assert found.flop == 2 * 9 * 64 * 64 * 360 * 640
    assert found.moved == 2 * SIZE
    assert found.constant == 2 * 9 * 64 * 64 + 4  # and `groups`
    assert (found.width, found.pixels, found.dense3) == (64, 360 * 640, True)


@pytest.mark.parametrize(
    ("program", "width", "dense3"),
    [
        (conv(64, 1, 3, 3, groups=64), 1, False),
        (conv(64, 8, 3, 3, groups=8), 8, False),
        (conv(16, 64, 1, 1, result=tensor(1, 16, 360, 640)), 32, False),
        (conv(64, 64, 3, 3, strides=[2, 2]), 64, False),
        (conv(64, 64, 3, 3, strides=[1, 1], dilations=[2, 2]), 64, False),
        (conv(64, 64, 3, 3, strides=[1, 1], dilations=[1, 1]), 64, True),
    ],
)
def test_channels_of_a_group_and_dense_kernels(program, width, dense3):
    found = cost(program)
    assert found.width == pytest.approx(width)
    assert found.dense3 == dense3


def test_a_transposed_convolution_has_its_inputs_first():
    program = one("conv_transpose", tensor(1, 16, 64, 64), tensor(1, 64, 32, 32), weight=weight(64, 16, 2, 2))
    assert cost(program).width == pytest.approx(32)


def test_a_matrix_counts_its_rows_as_pixels():
    program = one("linear", tensor(1, 196, 512), tensor(1, 196, 128), weight=weight(512, 128))
    found = cost(program)
    assert (found.pixels, found.width) == (196, 256)


def test_a_mean_is_a_fence_only_where_its_map_is_used_again_and_too_large_to_keep():
    large = one("reduce_mean", tensor(1, 64, 1, 1), tensor(*MAP), axes=const([2, 3]))
    small = one("reduce_mean", tensor(1, 64, 1, 1), tensor(1, 64, 8, 8), axes=const([2, 3]))
    assert cost(large, users=2).refetched == 2 * SIZE
    assert cost(large, users=1).refetched == 0
    assert cost(small, users=2).refetched == 0


def test_channel_attention_in_a_graph_is_such_a_fence():
    scale = tensor(1, 64, 1, 1)
    operations = [
        operation("reduce_mean", scale, "mean", x="x", axes=const([2, 3])),
        operation("sigmoid", scale, "gate", x="mean"),
        operation("mul", tensor(*MAP), "y", x="x", y="gate"),
    ]
    program = function(operations, x=tensor(*MAP))
    [segment] = package_cost.segments(program, placed(program))
    assert [part.refetched for part in segment.costs] == [2 * SIZE, 0, 0]


def test_quantised_activations_are_seen():
    operations = [
        operation("dequantize", tensor(*MAP), "floats", input="x"),
        operation("conv", tensor(*MAP), "y", x="floats", weight=weight(64, 64, 3, 3)),
    ]
    program = function(operations, x=tensor(*MAP, dtype="int8"))
    [segment] = package_cost.segments(program, placed(program))
    assert [part.int8 for part in segment.costs] == [False, True]


def test_a_resident_program_is_one_segment_with_the_interface_as_its_edge():
    program = super_resolution()
    [segment] = package_cost.segments(program, placed(program))
    assert segment.device == "ane"
    assert len(segment.costs) == 8
    assert segment.boundary == 4 * 3 * 128 * 128 + 4 * 3 * 256 * 256  # fp32 in and out


def test_what_crosses_a_change_of_device_is_on_both_edges():
    program = super_resolution()
    devices = ["ane", "ane", "cpu", "ane", "ane", "ane", "ane", "cpu"]
    parts = package_cost.segments(program, placed(program, *devices))
    assert [part.device for part in parts] == ["ane", "cpu", "ane", "cpu"]
    hidden, output = 2 * 64 * 128 * 128, 2 * 3 * 256 * 256
    assert parts[1].boundary == 2 * hidden
    assert parts[2].boundary == 2 * hidden + output  # the norm's result and the head's, and what it hands on
    assert parts[1].costs[0].elsewhere == 2.0


def test_an_unknown_operation_stays_where_the_one_before_it_is():
    program = super_resolution()
    parts = package_cost.segments(
        program, placed(program, None, "ane", None, "cpu", None, "cpu", "ane", None)
    )
    assert [(part.device, len(part.costs)) for part in parts] == [("ane", 3), ("cpu", 3), ("ane", 2)]


def test_a_predicted_placement_has_a_band_to_show():
    program = super_resolution()
    band = package_cost.verify_band(program, placed(program), "h16")
    assert band is not None
    assert (band.chip, band.known) == ("M4", True)
    m2 = package_cost.verify_band(program, placed(program), "M2")
    assert m2 == latency.band(package_cost.segments(program, placed(program)), chips.load().table["M2"])


def test_a_measured_or_unknown_placement_has_none():
    program = super_resolution()
    measured = placed(program).model_copy(update={"source": "measured"})
    assert package_cost.verify_band(program, measured, "h16") is None
    unknown = placed(program, None, *["ane"] * 7)
    assert package_cost.verify_band(program, unknown, "h16") is None
    elsewhere = placed(program, *["cpu"] * 8)
    assert package_cost.verify_band(program, elsewhere, "h16") is None
    assert package_cost.verify_band(program, placed(program), "A19") is None


def test_sizes_that_are_not_fixed_have_no_band():
    program = function([operation("relu", tensor(1, 3, None, 8), "y", x="x")], x=tensor(1, 3, None, 8))
    assert package_cost.verify_band(program, placed(program), "h16") is None


def test_a_placement_of_another_function_is_refused():
    with pytest.raises(ValueError, match="zip"):
        package_cost.segments(super_resolution(), placed(one("relu")))
