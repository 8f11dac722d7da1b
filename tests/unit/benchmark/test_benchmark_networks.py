import numpy as np
import pytest

from pipersr_build.benchmark.networks import INT8, NETWORKS, Tape, pipersr, separable
from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.export.contracts import Contract
from pipersr_build.export.convert import convert, trace
from pipersr_build.export.write import write_package
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import open_package
from pipersr_build.models import build
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.placement import chips, latency, package_cost


def test_the_layer_table_of_pipersr_is_its_package(tmp_path):
    network = to_deploy(build(PiperSRConfig(blocks=1, channels=16)))
    model = convert(trace(network, "video"), Contract("video", "v", 40, 72), tensor_dtype=np.float16)
    write_package(model, tmp_path / "v.mlpackage", "t", {})
    program = open_package(tmp_path / "v.mlpackage").main
    everywhere = [
        OperationPlacement(output_name=op.name, operator=op.type, supported=["ane"], preferred="ane",
                           verdict="ane", reasons=[])
        for op in program.walk()
    ]  # fmt: skip
    [real] = package_cost.segments(program, Placement(source="predicted", basis="", operations=everywhere))
    table = pipersr(Tape(40, 72), blocks=1, channels=16).segment()
    convolutions = [[c for c in part.costs if c.kind == "conv"] for part in (real, table)]
    for ours, theirs in zip(*convolutions, strict=True):
        assert (ours.flop, ours.moved, ours.width, ours.pixels, ours.dense3) == (
            theirs.flop, theirs.moved, theirs.width, theirs.pixels, theirs.dense3
        )  # fmt: skip
    assert real.boundary == table.boundary
    m2 = chips.load().table["M2"]
    assert latency.terms([real], m2).total == pytest.approx(latency.terms([table], m2).total, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "size", "parameters", "gmac", "tolerance"),
    [  # as their authors publish them
        ("ResNet50", 224, 25.56, 4.09, 0.01),
        ("ResNet18", 224, 11.69, 1.81, 0.01),
        ("MobileNetV2", 224, 3.50, 0.30, 0.01),
        ("MobileViTv2-1.0", 256, 4.9, 1.8, 0.02),
        ("MobileOne-S0", 224, 2.1, 0.275, 0.02),
        ("MobileOne-S1", 224, 4.8, 0.825, 0.02),
        ("MobileOne-S2", 224, 7.8, 1.299, 0.02),
        ("MobileOne-S3", 224, 10.1, 1.896, 0.02),
        ("MobileOne-S4", 224, 14.8, 2.978, 0.02),
        ("FastViT-T8", 256, 3.6, 0.7, 0.12),  # the paper's counts are rounded and leave something out
        ("FastViT-MA36", 256, 42.7, 7.9, 0.04),
        ("EfficientFormer-L1", 224, 12.3, 1.3, 0.02),
        ("EfficientFormer-L3", 224, 31.3, 3.9, 0.02),
        ("EfficientFormer-L7", 224, 82.1, 10.2, 0.02),
    ],
)
def test_the_tables_have_the_published_counts(name, size, parameters, gmac, tolerance):
    tape = NETWORKS[name](Tape(size, size))
    assert tape.parameters / 1e6 == pytest.approx(parameters, rel=tolerance)
    assert sum(cost.flop for cost in tape.costs) / 2e9 == pytest.approx(gmac, rel=tolerance)


def test_a_batch_multiplies_work_and_bytes_but_not_weights():
    one, many = (NETWORKS["ResNet18"](Tape(224, 224, batch=batch)).segment() for batch in (1, 16))
    assert many.boundary == 16 * one.boundary
    assert sum(c.flop for c in many.costs) == 16 * sum(c.flop for c in one.costs)
    assert sum(c.constant for c in many.costs) == sum(c.constant for c in one.costs)


def test_int8_halves_the_bytes():
    half, whole = (NETWORKS["MobileNetV2"](Tape(224, 224, element=e)).segment() for e in (INT8, 2))
    assert 2 * half.boundary == whole.boundary
    assert all(cost.int8 for cost in half.costs)


def test_the_separable_form_has_an_eighth_of_the_work_and_the_same_edges():
    dense = Tape(360, 640, channels=64).conv(64, 3).segment()
    form = separable(Tape(360, 640, channels=64)).segment()
    assert form.boundary == dense.boundary
    assert sum(c.flop for c in form.costs) / dense.costs[0].flop == pytest.approx(1 / 9 + 1 / 64)


def test_attention_streams_its_map_again_only_where_it_does_not_fit():
    large, small = (Tape(edge, edge, channels=64).attend(4).costs[0].refetched for edge in (512, 64))
    assert large == 2 * 2 * 64 * 512 * 512
    assert small == 0
