from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.inspection.ranges import Range, constant_range, convolution_sums, propagate
from pipersr_build.inspection.weights import Constants
from pipersr_build.mil.graph import Block, Function, Operation, Output, TensorType
from tests.unit.mil.mil_programs import const, op, tensor

UNARY = {
    "relu": {}, "relu6": {}, "sigmoid": {}, "tanh": {}, "silu": {}, "leaky_relu": {"alpha": np.float32(0.2)},
    "prelu": {"alpha": np.array([0.1, -0.5, 0.3], np.float32)},
    "clip": {"alpha": np.float32(-0.3), "beta": np.float32(0.9)},
}  # fmt: skip
REFERENCE = {
    "relu": torch.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.1, -0.5, 0.3])),
    "clip": lambda x: x.clamp(-0.3, 0.9),
}  # fmt: skip


# the constants of programs that the interpreter would refuse for lack of arguments
PLAIN = SimpleNamespace(of=lambda a: None if a is None or isinstance(a, str) else a.numpy())


def function(*operations):
    names = (operations[-1].name,)
    return Function("main", "CoreML8", {"x": tensor("fp32", 1, 3, 4, 4)}, Block((), operations, names, names))


def spread(low, high, seed, channels=3):
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.uniform(low, high, (2, channels)), axis=0)
    values = generator.uniform(ends[0][:, None, None], ends[1][:, None, None], (1, channels, 4, 4))
    return Range(ends[0], ends[1]), torch.from_numpy(values).float()


def inside(found, value, slack=1e-4):
    low, high = (np.broadcast_to(side, value.shape[1]) for side in (found.low, found.high))
    flat = value.numpy().astype(np.float64)[0].reshape(value.shape[1], -1)
    assert (flat.min(1) >= low - slack * (1 + abs(low))).all()
    assert (flat.max(1) <= high + slack * (1 + abs(high))).all()


@pytest.mark.parametrize("kind", UNARY)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.sampled_from([0.1, 2.0, 30.0]))
def test_an_activations_values_lie_in_its_range(kind, seed, width):
    program = function(op(kind, "y", tensor("fp32", 1, 3, 4, 4), x="x", **UNARY[kind]))
    known, values = spread(-width, width, seed)
    found = propagate(program, {"x": known}, Constants(program))["y"]
    inside(found, REFERENCE[kind](values))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pad=st.sampled_from([0, 1]), groups=st.sampled_from([1, 3]))
def test_a_convolutions_values_and_all_its_partial_sums_lie_within_their_bounds(seed, pad, groups):
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(6, 3 // groups, 3, 3)).astype(np.float32)
    bias = generator.normal(size=6).astype(np.float32)
    program = function(
        op(
            "conv",
            "y",
            tensor("fp32", 1, 6, 2 + 2 * pad, 2 + 2 * pad),
            x="x",
            weight=weight,
            bias=bias,
            strides=np.array([1, 1]),
            dilations=np.array([1, 1]),
            pad_type="custom",
            pad=np.array([pad] * 4),
            groups=np.int32(groups),
        )
    )
    known, values = spread(-2, 3, seed)
    sums = convolution_sums(program.operations[0], {"x": known}, Constants(program))
    result = F.conv2d(values, torch.from_numpy(weight), torch.from_numpy(bias), padding=pad, groups=groups)
    inside(Range(sums.low, sums.high), result)
    patch = values.double().numpy()[0, : 3 // groups, :3, :3].reshape(-1)
    products = np.append(weight[0].astype(np.float64).reshape(-1) * patch, bias[0])
    for order in (np.argsort(products), np.argsort(-products), generator.permutation(products.size)):
        assert np.abs(np.cumsum(products[order])).max() <= sums.partial * (1 + 1e-9)


def test_the_bound_of_partial_sums_is_reached_by_the_worst_input():
    weight = np.array([[[[2.0]], [[-3.0]]]], np.float32)
    program = function(op("conv", "y", tensor("fp32", 1, 1, 4, 4), x="x", weight=weight,
                          bias=np.array([0.5], np.float32)))  # fmt: skip
    known = Range(np.array([-1.0, -1.0]), np.array([4.0, 1.0]))
    sums = convolution_sums(program.operations[0], {"x": known}, PLAIN)
    assert sums.partial == 2 * 4 + 3 * 1 + 0.5
    assert (sums.low[0], sums.high[0]) == (-2 - 3 + 0.5, 8 + 3 + 0.5)


@pytest.mark.parametrize(("kind", "result"), [("add", (-3, 7)), ("sub", (-4, 6)), ("mul", (-5, 10)),
                                              ("maximum", (-1, 5)), ("minimum", (-2, 2))])  # fmt: skip
def test_two_values(kind, result):
    operation = Operation(kind, {"x": ("x",), "y": ("z",)}, (Output("y", TensorType("fp32", (1, 3, 4, 4))),))
    program = function(operation)
    known = {"x": constant_range(-2, 5), "z": constant_range(-1, 2)}
    found = propagate(program, known, PLAIN)["y"]
    assert (found.low[0], found.high[0]) == result


def test_a_shuffled_channel_has_the_range_of_those_it_is_made_of():
    program = function(op("pixel_shuffle", "y", tensor("fp32", 1, 2, 8, 8), x="x", upscale_factor=const(2)))
    given_range = Range(np.arange(8.0), np.arange(8.0) + 1)
    found = propagate(program, {"x": given_range}, Constants(program))["y"]
    assert (list(found.low), list(found.high)) == ([0, 4], [4, 8])


def test_joined_channels_keep_their_ranges():
    operation = op("concat", "y", tensor("fp32", 1, 4, 4, 4), values=("x", "x"), axis=const(1),
                   interleave=const(False))  # fmt: skip
    known, _ = spread(-1, 1, 0, channels=2)
    program = function(operation)
    found = propagate(program, {"x": known}, Constants(program))["y"]
    assert np.array_equal(found.low, np.concatenate([known.low, known.low]))


def test_what_follows_an_unknown_operation_has_no_range():
    program = function(
        op("sin", "s", tensor("fp32", 1, 3, 4, 4), x="x"), op("relu", "y", tensor("fp32", 1, 3, 4, 4), x="s")
    )
    assert propagate(program, {"x": constant_range(0, 1)}, Constants(program)).keys() == {"x"}
