"""Compressed weights: what the interpreter computes with is what coremltools says they decompress to."""

import numpy as np
import pytest
import torch
from mil_packages import arrays, build, convert, run, save
from torch import nn

from pipersr_build import quiet
from pipersr_build.mil.package import check_weights

ct = quiet.coremltools()
cto = ct.optimize.coreml


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Conv2d(4, 32, 3, padding=1)
        self.b = nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


def uniform(bits, **more):
    return cto.OpPalettizerConfig(mode="uniform", nbits=bits, weight_threshold=100, **more)


def linear(**more):
    return cto.OpLinearQuantizerConfig(weight_threshold=100, **more)


PRUNED = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=100)
SCHEMES = {
    "linear int8": ("iOS16", [linear(mode="linear_symmetric")]),
    "linear uint8": ("iOS16", [linear(mode="linear")]),
    "palette 1": ("iOS16", [uniform(1)]),
    "palette 4": ("iOS16", [uniform(4)]),
    "palette 6": ("iOS16", [uniform(6)]),
    "palette 8": ("iOS16", [uniform(8)]),
    "pruned": ("iOS16", [PRUNED]),
    "ios18 linear int8": ("iOS18", [linear(mode="linear_symmetric")]),
    "ios18 linear int4 blocks": (
        "iOS18", [linear(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=2)]
    ),
    "ios18 linear uint4": ("iOS18", [linear(mode="linear", dtype="uint4", granularity="per_tensor")]),
    "ios18 palette 3": ("iOS18", [uniform(3)]),
    "ios18 palette 4 groups": ("iOS18", [uniform(4, granularity="per_grouped_channel", group_size=8)]),
    "ios18 palette 4 scaled": (
        "iOS18", [uniform(4, granularity="per_grouped_channel", group_size=8, enable_per_channel_scale=True)]
    ),
    "ios18 pruned": ("iOS18", [PRUNED]),
    "ios18 pruned palette": ("iOS18", [PRUNED, uniform(4)]),
    "ios18 pruned int8": ("iOS18", [PRUNED, linear(mode="linear_symmetric")]),
    "ios18 palette of int8": (
        "iOS18", [uniform(4), linear(mode="linear_symmetric", granularity="per_tensor")]
    ),
}  # fmt: skip
COMPRESS = {
    cto.OpPalettizerConfig: cto.palettize_weights,
    cto.OpLinearQuantizerConfig: cto.linear_quantize_weights,
    cto.OpMagnitudePrunerConfig: cto.prune_weights,
}


@pytest.fixture(scope="module")
def models():
    """The network's float32 model for each operation set, before any compression."""

    def model(target):
        with quiet.conversion(), torch.no_grad():
            traced = torch.jit.trace(Net().eval(), torch.zeros(1, 4, 6, 6))
            return ct.convert(
                traced, inputs=[ct.TensorType("x", (1, 4, 6, 6))], compute_precision=ct.precision.FLOAT32,
                minimum_deployment_target=getattr(ct.target, target), skip_model_load=True,
            )  # fmt: skip

    return {target: model(target) for target in ("iOS16", "iOS18")}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_are_those_that_coremltools_decompresses(scheme, models, tmp_path):
    target, configs = SCHEMES[scheme]
    model = models[target]
    with quiet.conversion():
        for i, config in enumerate(configs):
            optimization = cto.OptimizationConfig(global_config=config)
            joint = {"joint_compression": True} if i else {}
            model = COMPRESS[type(config)](model, optimization, **joint)
        plain = cto.decompress_weights(model)
    compressed, expected = save(model, tmp_path / "a"), save(plain, tmp_path / "b")
    check_weights(compressed)
    assert any(op.type.startswith("constexpr_") for op in compressed.main.operations)
    assert not any(op.type.startswith("constexpr_") for op in expected.main.operations)
    (x,) = arrays((1, 4, 6, 6))
    (result,), (reference,) = run(compressed, x), run(expected, x)
    np.testing.assert_allclose(result, reference, rtol=1e-6, atol=1e-6)
    original = run(save(models[target], tmp_path / "c"), x)[0]
    assert np.abs(result - original).max() > 1e-4


def test_packed_weights_of_a_half_precision_program_are_rounded_once(tmp_path):
    (x,) = arrays((1, 4, 6, 6))
    package = convert(Net(), torch.from_numpy(x), folder=tmp_path, precision="fp16", target="iOS16")
    with quiet.conversion():
        config = cto.OptimizationConfig(global_config=linear(mode="linear_symmetric"))
        model = cto.linear_quantize_weights(
            ct.models.MLModel(str(package.path), skip_model_load=True), config
        )
        plain = cto.decompress_weights(model)
    for semantics in ("fp16", "fp32"):
        (result,) = run(save(model, tmp_path / f"a{semantics}"), x, semantics=semantics)
        (expected,) = run(save(plain, tmp_path / f"b{semantics}"), x, semantics=semantics)
        np.testing.assert_array_equal(result, expected)


def test_a_cast_weight(tmp_path):
    def make(mb, x):
        return mb.mul(x=x, y=mb.constexpr_cast(source_val=np.float16([0.1, 2]), output_dtype="fp32"))

    (result,) = run(build(make, [(2,)], tmp_path, target="iOS16"), np.float32([1, 1]))
    np.testing.assert_array_equal(result, np.float16([0.1, 2]).astype(np.float32))


def test_older_operation_sets_keep_the_arguments_in_attributes(tmp_path):
    def make(mb, x):
        return mb.mul(x=x, y=mb.constexpr_cast(source_val=np.float16([0.1, 2]), output_dtype="fp32"))

    older = build(make, [(2,)], tmp_path / "a", target="iOS17").main.operations[0]
    newer = build(make, [(2,)], tmp_path / "b", target="iOS18").main.operations[0]
    assert set(older.attributes) == {"name", "source_val", "output_dtype"}
    assert set(newer.inputs) == {"source_val", "output_dtype"}
    assert not older.inputs
