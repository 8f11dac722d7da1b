"""Operations built with coremltools' builder: the values are those that coremltools infers itself."""

import numpy as np
import pytest
from mil_packages import arrays, side_by_side

from pipersr_build import quiet

X, Y, POSITIVE = arrays((2, 3, 4, 6), (3, 1, 6)) + arrays((2, 3, 4, 6), low=0.2, high=3)


def unary(name, value=X, **arguments):
    return lambda mb, x: getattr(mb, name)(x=x, **arguments), [value]


def binary(name, x=X, y=Y):
    return lambda mb, x, y: getattr(mb, name)(x=x, y=y), [x, y]


# Operations whose definition computes values from constants: what to build, and on what.
INFERRED = {
    **{n: unary(n) for n in ("abs", "atan", "ceil", "cos", "cosh", "erf", "exp", "exp2", "floor")},
    **{n: unary(n) for n in ("relu", "relu6", "round", "sigmoid", "sign", "sin", "sinh", "square", "tanh")},
    **{n: unary(n) for n in ("softplus", "softsign", "tan", "shape", "non_zero", "identity")},
    **{n: unary(n, X / 2.1) for n in ("acos", "asin", "atanh")},
    **{n: unary(n, POSITIVE) for n in ("sqrt", "rsqrt", "inverse", "log")},
    **{f"{n} epsilon": unary(n, POSITIVE, epsilon=0.3) for n in ("rsqrt", "inverse", "log")},
    **{n: unary(n, alpha=0.3) for n in ("elu", "leaky_relu", "threshold", "thresholded_relu")},
    **{n: unary(n, alpha=0.3, beta=0.8) for n in ("clamped_relu", "linear_activation", "clip")},
    **{n: unary(n, alpha=0.3, beta=0.8) for n in ("scaled_tanh", "sigmoid_hard")},
    "prelu": unary("prelu", alpha=np.float32([0.1, 0.2, 0.3])),
    "softplus_parametric": unary(
        "softplus_parametric", alpha=np.float32([0.1, 0.2, 0.3]), beta=np.float32([1, 2, 3])
    ),
    **{f"gelu {m}": unary("gelu", mode=m) for m in ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")},
    "softmax": unary("softmax", axis=1),
    "cast": unary("cast", dtype="int32"),
    **{n: binary(n) for n in ("add", "sub", "mul", "real_div", "maximum", "minimum", "floor_div", "mod")},
    **{n: binary(n) for n in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")},
    "pow": binary("pow", POSITIVE),
    "select": (lambda mb, x, y: mb.select(cond=mb.greater(x=x, y=0.0), a=x, b=y), [X, POSITIVE]),
    "logical": (
        lambda mb, x, y: mb.logical_xor(
            x=mb.logical_and(x=mb.greater(x=x, y=0.0), y=mb.less(x=y, y=1.0)),
            y=mb.logical_not(x=mb.logical_or(x=mb.greater(x=x, y=1.0), y=mb.less(x=y, y=0.0))),
        ),
        [X, POSITIVE],
    ),
    **{
        f"{n} {axes} {keep}": unary(n, POSITIVE, axes=axes, keep_dims=keep)
        for n in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_log_sum_exp")
        for axes, keep in (([1, -1], False), ([0], True))
    },
    **{
        n: unary(n, POSITIVE, axes=[2])
        for n in ("reduce_min", "reduce_prod", "reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum",
                  "reduce_sum_square")
    },
    **{n: unary(n, axis=2, keep_dims=True) for n in ("reduce_argmax", "reduce_argmin")},
    "argsort": unary("argsort", axis=1, ascending=True),
    "topk": unary("topk", k=2, axis=3),
    "cumsum": unary("cumsum", axis=1, reverse=True),
    "matmul": (lambda mb, x, y: mb.matmul(x=x, y=y, transpose_y=True), [X, Y[:, [0] * 5]]),
    "linear": (lambda mb, x: mb.linear(x=x, weight=Y[0, [0] * 6], bias=Y[0, 0]), [X]),
    "einsum": (
        lambda mb, x, y: mb.einsum(values=[x, y], equation="chw,whr->chr"), arrays((2, 3, 4), (4, 3, 5))
    ),
    "l2_norm": unary("l2_norm"),
    "layer_norm": unary("layer_norm", axes=[-1], epsilon=1e-3),
    "band_part": unary("band_part", lower=1, upper=2),
    "expand_dims": unary("expand_dims", X[0], axes=[0, -1]),
    "flatten2d": unary("flatten2d", axis=-2),
    "reshape": unary("reshape", shape=[0, -1, 2]),
    "reverse": unary("reverse", axes=[1, 2]),
    "squeeze": unary("squeeze", X[:, :1], axes=[1]),
    "tile": unary("tile", reps=[1, 2, 1, 3]),
    "transpose": unary("transpose", perm=[3, 0, -2, 1]),
    **{f"pad {m}": unary("pad", pad=[1, 0, 2, 1], mode=m) for m in ("constant", "reflect", "replicate")},
    "slice_by_index": unary(
        "slice_by_index", begin=[0, -1, 0, 5], end=[0, 0, 3, 0], stride=[1, 1, 2, -2],
        begin_mask=[True, False, False, False], end_mask=[True, True, False, False],
        squeeze_mask=[False, True, False, False],
    ),
    "slice_by_size": unary("slice_by_size", begin=[0, 1, -2, 0], size=[-1, 1, 2, 3]),
    "slice_update": (
        lambda mb, x, y: mb.slice_update(
            x=x, update=y, begin=[0, 0, 0, 4], end=[2, 3, 4, 0], stride=[1, 2, 3, -2]
        ),
        arrays((2, 3, 4, 6), (2, 2, 2, 2)),
    ),
    "concat": (lambda mb, x, y: mb.concat(values=[x, y], axis=1), arrays((1, 2), (1, 3))),
    "stack": (lambda mb, x, y: mb.stack(values=[x, y], axis=-1), [X[0, 0], X[1, 0]]),
    "split": unary("split", axis=3, split_sizes=[1, 2, 3]),
    "gather": unary("gather", indices=np.int32([[2, 0]]), axis=1),
    "gather batch": unary("gather", indices=np.int32([[2, 0], [1, 1]]), axis=2, batch_dims=1),
    "gather_along_axis": unary("gather_along_axis", indices=np.zeros((2, 3, 2, 6), np.int32), axis=2),
    "quantize": (lambda mb, x: mb.cast(
        x=mb.quantize(input=x, scale=np.float32(0.1), zero_point=np.int8(3), output_dtype="int8"),
        dtype="int32",
    ), [X]),
    "attention": (
        lambda mb, q, k, v: mb.scaled_dot_product_attention(query=q, key=k, value=v),
        arrays((1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 6)),
    ),
}  # fmt: skip


def inferred(make, values):
    """What coremltools computes when the inputs are constants."""
    ct = quiet.coremltools()
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    found = []

    def body(x):
        results = make(mb, *(value.copy() for value in values))  # thresholded_relu changes its input
        found.extend(results if isinstance(results, list | tuple) else [results])
        return mb.identity(x=x)

    with quiet.conversion(), np.errstate(all="ignore"):
        mb.program(input_specs=[mb.TensorSpec((1,))], opset_version=ct.target.iOS18)(body)
    return [result.val for result in found]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """What the interpreter makes of every case, by its name."""
    return side_by_side(INFERRED, tmp_path_factory.mktemp("inferred"))


@pytest.mark.parametrize("name", INFERRED)
def test_values_are_those_that_coremltools_infers(name, computed):
    make, values = INFERRED[name]
    for result, value in zip(computed[name], inferred(make, values), strict=True):
        np.testing.assert_allclose(result, np.asarray(value).reshape(result.shape), rtol=2e-5, atol=1e-5)
