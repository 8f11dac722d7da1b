import numpy as np
import pytest
import torch
from mil_programs import const, op, package, tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import passes, preview
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.ops import TABLE
from pipersr_build.mil.package import Feature

KIND = tensor("fp16", 1, 4, 8, 8)
RANDOM = np.random.default_rng(0)


def network():
    """Convolution, activation, a batch norm left as it is, a residual sum, a mean."""
    weight = const((RANDOM.standard_normal((4, 4, 3, 3)) / 6).astype(np.float16))
    bias = const(np.float16([0.1, 0.2, 0.3, 0.4]))
    mean = tensor("fp16", 1, 4, 1, 1)
    operations = [
        op("conv", "a", KIND, x="x", weight=weight, bias=bias, pad_type="same"),
        op("silu", "b", KIND, x="a"),
        op("batch_norm", "c", KIND, x="b", mean=bias, variance=bias),
        op("conv", "d", KIND, x="c", weight=weight, bias=bias, pad_type="same"),
        op("add", "y", KIND, x="d", y="x"),
        op("reduce_mean", "m", mean, x="y", axes=[2, 3], keep_dims=True),
    ]
    features = [Feature(name, "tensor", "fp16", KIND.shape) for name in "xy"]
    features.append(Feature("m", "tensor", "fp16", mean.shape))
    return package(operations, [(features[0], KIND)], features[1:])


@pytest.mark.parametrize("small", [0, 1 << 17])
@pytest.mark.parametrize("semantics", ["fp16", "fp32"])
def test_a_preview_is_near_and_not_exact(monkeypatch, small, semantics):
    monkeypatch.setattr(passes, "SMALL", small)
    x = RANDOM.random(KIND.shape).astype(np.float16)
    made = network()
    exact = Interpreter(made, semantics=semantics).run({"x": x})
    fast = Interpreter(made, semantics=semantics, compute="bf16").run({"x": x})
    for name in exact:
        assert fast[name].dtype == exact[name].dtype
        np.testing.assert_allclose(fast[name], exact[name], rtol=0.05, atol=0.05)
    assert not np.array_equal(fast["y"], exact["y"])


def test_convolutions_are_held_in_bf16_and_reductions_are_not():
    held = {}
    x = np.ones(KIND.shape, np.float16)
    Interpreter(network(), compute="bf16").run({"x": x}, lambda out, v: held.update({out.name: v.dtype}))
    assert held["a"] is held["b"] is held["d"] is torch.bfloat16
    assert held["c"] is held["m"] is torch.float32


def test_the_operations_that_take_bf16_are_known_ones():
    assert set(TABLE) >= preview._ANY_TYPE


def test_nothing_else_is_a_compute():
    with pytest.raises(InputError, match="compute 'bf8' is not one of exact, bf16"):
        Interpreter(network(), compute="bf8")
