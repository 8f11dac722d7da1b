"""Elementwise operations, activations, reductions and products against numpy formulas."""

import math

import numpy as np
import pytest
import torch

from pipersr_build.mil.ops import TABLE

RNG = np.random.default_rng(0)
X = RNG.uniform(-3, 3, (2, 4, 5, 6))
UNIT = RNG.uniform(-0.99, 0.99, (2, 4, 5, 6))
POSITIVE = np.abs(X) + 0.1
erf = np.vectorize(math.erf)


def run(name, *tensors, **arguments):
    bound = {n: torch.from_numpy(np.asarray(t)) for n, t in zip("xy", tensors, strict=False)}
    return TABLE[name](**bound, **arguments)


def check(result, expected, rtol=1e-5):
    np.testing.assert_allclose(result.numpy(), expected, rtol=rtol, atol=1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


UNARY = {
    "abs": (X, np.abs), "acos": (UNIT, np.arccos), "asin": (UNIT, np.arcsin), "atan": (X, np.arctan),
    "atanh": (UNIT, np.arctanh), "ceil": (X, np.ceil), "cos": (X, np.cos), "cosh": (X, np.cosh),
    "erf": (X, erf), "exp": (X, np.exp), "exp2": (X, np.exp2), "floor": (X, np.floor),
    "identity": (X, np.array), "inverse": (POSITIVE, lambda x: 1 / (x + 1e-4)),
    "log": (POSITIVE, np.log), "round": (np.array([0.5, 1.5, -2.5, 0.6]), np.round),
    "rsqrt": (POSITIVE, lambda x: 1 / np.sqrt(x)), "sign": (np.array([-2.0, 0.0, 3.0]), np.sign),
    "sin": (X, np.sin), "sinh": (X, np.sinh), "sqrt": (POSITIVE, np.sqrt), "square": (X, np.square),
    "tan": (UNIT, np.tan), "tanh": (X, np.tanh), "logical_not": (X > 0, np.logical_not),
    "relu": (X, lambda x: np.maximum(x, 0)), "relu6": (3 * X, lambda x: np.clip(x, 0, 6)),
    "sigmoid": (X, sigmoid), "silu": (X, lambda x: x * sigmoid(x)),
    "softplus": (X, lambda x: np.log(1 + np.exp(x))), "softsign": (X, lambda x: x / (1 + np.abs(x))),
    "softmax": (X, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "gelu": (X, lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2)))),
}  # fmt: skip
CHANNELS = np.array([0.1, 0.2, -0.3, 2.0])
WIDE = CHANNELS.reshape(4, 1, 1)
WITH_ARGUMENTS = [
    ("clip", {"alpha": -1.0, "beta": 0.5}, np.clip(X, -1, 0.5)),
    ("threshold", {"alpha": 0.25}, np.maximum(X, 0.25)),
    ("inverse", {"epsilon": 5.0}, 1 / (X + 5)),
    ("log", {"epsilon": 5.0}, np.log(X + 5)),
    ("rsqrt", {"epsilon": 5.0}, 1 / np.sqrt(X + 5)),
    ("clamped_relu", {"alpha": 0.3, "beta": 1.2}, np.minimum(np.where(X >= 0, X, 0.3 * X), 1.2)),
    ("clamped_relu", {"alpha": -2.0, "beta": 1.2}, np.minimum(np.where(X >= 0, X, -2 * X), 1.2)),
    ("elu", {"alpha": 0.7}, np.where(X > 0, X, 0.7 * (np.exp(X) - 1))),
    ("leaky_relu", {"alpha": 0.3}, np.where(X >= 0, X, 0.3 * X)),
    ("linear_activation", {"alpha": 0.3, "beta": 1.0}, 0.3 * X + 1),
    ("scaled_tanh", {"alpha": 0.3, "beta": 2.0}, 0.3 * np.tanh(2 * X)),
    ("sigmoid_hard", {"alpha": 0.3, "beta": 0.4}, np.clip(0.3 * X + 0.4, 0, 1)),
    ("thresholded_relu", {"alpha": 0.5}, np.where(X >= 0.5, X, 0)),
    ("gelu", {"mode": "SIGMOID_APPROXIMATION"}, X * sigmoid(1.702 * X)),
    ("gelu", {"mode": "TANH_APPROXIMATION"},
     0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))),
    ("softmax", {"axis": 1}, np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    ("prelu", {"alpha": torch.from_numpy(CHANNELS)}, np.where(X > 0, X, WIDE * X)),
    ("softplus_parametric", {"alpha": torch.from_numpy(CHANNELS), "beta": torch.from_numpy(CHANNELS)},
     WIDE * np.log(1 + np.exp(WIDE * X))),
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    x, expected = UNARY[name]
    check(run(name, x), expected(x))


@pytest.mark.parametrize(("name", "arguments", "expected"), WITH_ARGUMENTS)
def test_with_arguments(name, arguments, expected):
    check(run(name, X, **arguments), expected)


Y = RNG.uniform(0.2, 3, (4, 1, 6))
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "real_div": np.divide,
    "floor_div": np.floor_divide, "mod": np.mod, "maximum": np.maximum, "minimum": np.minimum,
    "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater, "less": np.less,
    "greater_equal": np.greater_equal, "less_equal": np.less_equal,
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_binary_with_broadcasting(name):
    check(run(name, X, Y), BINARY[name](X, Y))
    check(run(name, Y, Y), BINARY[name](Y, Y))


@pytest.mark.parametrize("name", ["floor_div", "mod"])
def test_integer_division_rounds_down(name):
    x, y = np.array([7, -7, 7, -7], np.int32), np.array([2, 2, -2, -2], np.int32)
    assert run(name, x, y).tolist() == BINARY[name](x, y).tolist()


def test_powers():
    check(run("pow", POSITIVE, X), POSITIVE**X)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logic(name):
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    assert run(name, x, y).tolist() == getattr(np, name)(x, y).tolist()


def test_select_broadcasts():
    cond, a, b = torch.tensor([[True], [False]]), torch.tensor([1.0, 2.0]), torch.tensor(3.0)
    assert TABLE["select"](cond=cond, a=a, b=b).tolist() == [[1, 2], [3, 3]]


def test_an_unknown_choice_lists_the_known():
    with pytest.raises(ValueError, match="'FAST' is not one of 'EXACT', 'TANH_APPROXIMATION'"):
        run("gelu", X, mode="FAST")
    with pytest.raises(ValueError, match="dtype 'fp12' is not one of 'bool'"):
        run("cast", X, dtype="fp12")


REDUCTIONS = {
    "reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_max": np.max, "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_l1_norm": lambda x, **k: np.abs(x).sum(**k),
    "reduce_l2_norm": lambda x, **k: np.sqrt((x * x).sum(**k)),
    "reduce_sum_square": lambda x, **k: (x * x).sum(**k),
    "reduce_log_sum": lambda x, **k: np.log(x.sum(**k)),
    "reduce_log_sum_exp": lambda x, **k: np.log(np.exp(x).sum(**k)),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axes", [[1], [-1, 0], None])
@pytest.mark.parametrize("keep_dims", [False, True])
def test_reductions(name, axes, keep_dims):
    x = POSITIVE[:, :2, :2]
    expected = REDUCTIONS[name](x, axis=tuple(axes) if axes else None, keepdims=keep_dims)
    check(run(name, x, axes=axes, keep_dims=keep_dims), expected)


def test_integer_sums_do_not_overflow_before_they_are_stored():
    x = np.array([2**31 - 1, 2**31 - 1, -(2**31)], np.int32)
    assert run("reduce_sum", x).item() == 2**31 - 2
    assert run("reduce_mean", x).item() == pytest.approx((2**31 - 2) / 3)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extremes(name):
    expected = getattr(np, name)(X, axis=2)
    assert np.array_equal(run(f"reduce_{name}", X, axis=2), expected)
    assert run(f"reduce_{name}", X, axis=-2, keep_dims=True).shape == (2, 4, 1, 6)


@pytest.mark.parametrize("ascending", [False, True])
def test_sorting(ascending):
    order = np.argsort(X if ascending else -X, axis=1, kind="stable")
    assert np.array_equal(run("argsort", X, axis=1, ascending=ascending), order)
    values, indices = run("topk", X, k=3, axis=1, ascending=ascending)
    assert np.array_equal(indices, order[:, :3])
    assert np.array_equal(values, np.take_along_axis(X, order[:, :3], 1))
    assert np.array_equal(run("topk", X, k=-1, axis=1, ascending=ascending, return_indices=False),
                          np.take_along_axis(X, order, 1))  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({}, [1, 3, 6]), ({"exclusive": True}, [0, 1, 3]), ({"reverse": True}, [6, 5, 3]),
     ({"exclusive": True, "reverse": True}, [5, 3, 0])],
)  # fmt: skip
def test_running_sums(arguments, expected):
    assert run("cumsum", np.array([1.0, 2.0, 3.0]), **arguments).tolist() == expected


@pytest.mark.parametrize(("transpose_x", "transpose_y"), [(False, False), (True, False), (True, True)])
def test_matrix_products(transpose_x, transpose_y):
    x, y = RNG.standard_normal((2, 1, 3, 4)), RNG.standard_normal((5, 4, 6))
    left = x.swapaxes(-1, -2) if transpose_x else x
    right = y.swapaxes(-1, -2) if transpose_y else y
    check(run("matmul", left, right, transpose_x=transpose_x, transpose_y=transpose_y), x @ y)


def test_vectors_have_nothing_to_transpose():
    x, y = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 3.0]])
    assert run("matmul", x, y, transpose_x=True).tolist() == [1, 6]


def test_attention_masks():
    q, k, v = (torch.from_numpy(RNG.standard_normal((1, 3, 4))) for _ in range(3))
    boolean = torch.tensor([[True, True, False]])
    added = torch.where(boolean, 0.0, -math.inf).double()
    attention = TABLE["scaled_dot_product_attention"]
    result = attention(query=q, key=k, value=v, attn_mask=boolean)
    expected = torch.softmax(q @ k.mT / 2 + added, -1) @ v
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(attention(query=q, key=k, value=v, attn_mask=added), expected)


def test_local_response_norm_over_neighbouring_channels():
    sums = [(X[:, max(0, c - 1) : c + 2] ** 2).sum(1) for c in range(4)]
    expected = X / (2 + 0.3 / 3 * np.stack(sums, 1)) ** 0.5
    check(run("local_response_norm", X, size=3, alpha=0.3, beta=0.5, k=2.0), expected)


def test_norms_with_and_without_scale():
    over = (2, 3)
    normal = (X - X.mean(over, keepdims=True)) / np.sqrt(X.var(over, keepdims=True) + 0.1)
    check(run("instance_norm", X, epsilon=0.1), normal)
    check(run("layer_norm", X, axes=[-1, 2], epsilon=0.1), normal)
    vector = torch.from_numpy(CHANNELS)
    check(run("instance_norm", X, gamma=vector, beta=vector, epsilon=0.1), normal * WIDE + WIDE)
    grid = torch.from_numpy(RNG.standard_normal((5, 6)))
    check(
        run("layer_norm", X, axes=[2, 3], gamma=grid, beta=grid, epsilon=0.1),
        normal * grid.numpy() + grid.numpy(),
    )
    check(run("layer_norm", X), (X - X.mean()) / np.sqrt(X.var() + 1e-5))
    check(run("l2_norm", X, epsilon=0.1), X / np.sqrt((X**2).sum((1, 2, 3), keepdims=True) + 0.1))


def test_an_image_of_one_pixel_is_normalised_to_zero():
    assert run("instance_norm", X[:, :, :1, :1]).abs().max() == 0


@pytest.mark.parametrize("axis", [None, 1])
def test_quantisation_round_trip(axis):
    scale = torch.tensor(0.1) if axis is None else torch.tensor([0.1, 0.2, 0.3, 0.4])
    zero = torch.tensor(3, dtype=torch.int8) if axis is None else torch.tensor([0, 1, 2, 3], dtype=torch.int8)
    x = torch.from_numpy(X).float()
    steps = TABLE["quantize"](input=x, scale=scale, output_dtype="int8", zero_point=zero, axis=axis)
    wide = scale.numpy() if axis is None else scale.numpy().reshape(4, 1, 1)
    shift = zero.numpy() if axis is None else zero.numpy().reshape(4, 1, 1)
    np.testing.assert_array_equal(steps, np.clip(np.round(x.numpy() / wide) + shift, -128, 127))
    back = TABLE["dequantize"](input=steps.to(torch.int8), scale=scale, zero_point=zero, axis=axis)
    assert (back - x).abs().max() <= 0.2 + 1e-6


def test_quantisation_saturates():
    quantize = TABLE["quantize"]
    x = torch.tensor([1000.0, -1000.0, 0.25, 0.75])
    assert quantize(input=x, scale=torch.tensor(0.5), output_dtype="uint8").tolist() == [255, 0, 0, 2]
    assert quantize(input=x, scale=torch.tensor(0.5), output_dtype="int8").tolist() == [127, -128, 0, 2]
