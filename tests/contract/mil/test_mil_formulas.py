"""Operations whose definition computes nothing, built with coremltools' builder: the values of a formula."""

import numpy as np
import pytest
from mil_packages import arrays, build, run, side_by_side

from pipersr_build.mil.interpreter import Interpreter

X, Y = arrays((2, 3, 4, 6), (3, 1, 6))


def unary(name, value=X, **arguments):
    return lambda mb, x: getattr(mb, name)(x=x, **arguments), [value]


LRN = X / (1 + 0.5 / 3 * np.stack([(X[:, max(0, c - 1) : c + 2] ** 2).sum(1) for c in range(3)], 1)) ** 0.75
DEPTH = arrays((1, 8, 2, 3))[0]
BLOCKS = DEPTH.reshape(1, 2, 2, 2, 2, 3).transpose(0, 3, 4, 1, 5, 2).reshape(1, 2, 4, 6)
BATCH = np.concatenate([BLOCKS[:, :, i::2, j::3] for i in range(2) for j in range(3)])

# Operations whose definition computes nothing: built, run, and compared with a formula.
FORMULAS = {
    "depth_to_space": (unary("depth_to_space", DEPTH, block_size=2), [BLOCKS]),
    "space_to_depth": (unary("space_to_depth", BLOCKS, block_size=2), [DEPTH]),
    "space_to_batch": (
        unary("space_to_batch", BLOCKS, block_shape=[2, 3], paddings=np.int32([[0, 0], [0, 0]])),
        [BATCH],
    ),
    "batch_to_space": (
        unary("batch_to_space", BATCH, block_shape=[2, 3], crops=np.int32([[1, 0], [0, 2]])),
        [BLOCKS[:, :, 1:, :-2]],
    ),
    "crop": (unary("crop", crop_height=[1, 0], crop_width=[2, 1]), [X[..., 1:, 2:-1]]),
    "concat interleave": (
        (lambda mb, x, y: mb.concat(values=[x, y], axis=1, interleave=True), [X, -X]),
        [np.stack([X, -X], 2).reshape(2, 6, 4, 6)],
    ),
    "sliding_windows": (
        unary("sliding_windows", axis=3, size=3, stride=2), [np.stack([X[..., 0:3], X[..., 2:5]], 3)]
    ),
    "fill": ((lambda mb, x: mb.mul(x=mb.fill(shape=[3, 1, 1], value=2.0), y=x), [X]), [2 * X]),
    "fill_like": ((lambda mb, x: mb.fill_like(ref_tensor=x, value=7.0), [X]), [np.full_like(X, 7)]),
    "reshape_like": (
        (lambda mb, x, y: mb.reshape_like(
            x=x, ref_tensors=[y, x], begins=[0, 2], ends=[1, 0], end_masks=[False, True]), [X, DEPTH[0, :6]]),
        [X.reshape(6, 4, 6)],
    ),
    "range_1d": (
        (lambda mb, x: mb.range_1d(start=0.0, end=mb.squeeze(x=x), step=0.5), [np.float32([1.6])]),
        [[0, 0.5, 1, 1.5]],
    ),
    "one_hot": (
        (lambda mb, x: mb.one_hot(indices=mb.cast(x=x, dtype="int32"), one_hot_vector_size=3, axis=0),
         [np.float32([2, 0])]),
        [[[0, 1], [0, 0], [1, 0]]],
    ),
    "gather_nd": (
        (lambda mb, x: mb.gather_nd(x=x, indices=np.int32([[1, 2], [0, 0]])), [X]), [X[[1, 0], [2, 0]]]
    ),
    "scatter": (
        (lambda mb, x, y: mb.scatter(data=x, indices=np.int32([2]), updates=y, axis=1, mode="mul"),
         [X, X[:, :1]]),
        [np.concatenate([X[:, :2], X[:, 2:] * X[:, :1]], 1)],
    ),
    "scatter_nd": (
        (lambda mb, x: mb.scatter_nd(data=x, indices=np.int32([[1]]), updates=X[:1], mode="update"), [X]),
        [X[[0, 0]]],
    ),
    "scatter_along_axis": (
        (lambda mb, x: mb.scatter_along_axis(
            data=x, indices=np.zeros((2, 3, 1, 6), np.int32), updates=X[:, :, :1], axis=2, mode="sub"), [X]),
        [np.concatenate([X[:, :, :1] * 0, X[:, :, 1:]], 2)],
    ),
    "reverse_sequence": (
        (lambda mb, x: mb.reverse_sequence(x=x, lengths=np.int32([2, 6]), seq_axis=3, batch_axis=0), [X]),
        [np.stack([X[0][..., [1, 0, 2, 3, 4, 5]], X[1][..., ::-1]])],
    ),
    "dequantize": (
        (lambda mb, x: mb.dequantize(
            input=mb.quantize(input=x, scale=np.float32(0.25), output_dtype="uint8"),
            scale=np.float32(0.25)), [X]),
        [np.round(X / 0.25).clip(0, 255) * 0.25],
    ),
    "l2_pool": (
        unary("l2_pool", kernel_sizes=[2, 3], strides=[2, 3], pad_type="valid"),
        [np.sqrt((X.reshape(2, 3, 2, 2, 2, 3) ** 2).sum((3, 5)))],
    ),
    "local_response_norm": (unary("local_response_norm", size=3, alpha=0.5), [LRN]),
    "resize_bilinear": (
        unary("resize_bilinear", X[..., :1, :2], target_size_height=1, target_size_width=4),
        [X[..., :1, :1] + (X[..., :1, 1:2] - X[..., :1, :1]) * np.float32([0, 0.5, 1, 1])],
    ),
    "resize": (unary("resize", shape=[8, 0], resized_dims=np.uint32(2), interpolation_mode="NEAREST_NEIGHBOR",
                     sampling_mode="UNALIGN_CORNERS"), [X.repeat(2, axis=2)]),
    "upsample_nearest_neighbor": (
        unary("upsample_nearest_neighbor", scale_factor_height=2.0, scale_factor_width=1.5),
        [X.repeat(2, axis=2)[..., [0, 0, 1, 2, 2, 3, 4, 4, 5]]],
    ),
    "crop_resize": (
        unary("crop_resize", boxes=np.float32([[1, 1, 3, 5]]), box_indices=np.int32([1]), target_height=3,
              target_width=5, sampling_mode="ALIGN_CORNERS"),
        [X[1:, :, 1:, 1:]],
    ),
    "affine": (
        (lambda mb, x: mb.affine(
            x=x, transform_matrix=np.float32([[-1, 0, 0, 0, 1, 0]]), output_height=4, output_width=6,
            sampling_mode="bilinear", padding_mode="constant", padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one", align_corners=True), [X]),
        [X[..., ::-1]],
    ),
    "rnn": (
        (lambda mb, x: mb.rnn(
            x=x, initial_h=np.zeros((3, 2), np.float32), weight_ih=Y[0, [0, 0]],
            weight_hh=np.eye(2, dtype=np.float32), activation="linear", output_sequence=True)[0],
         [X[0].transpose(1, 0, 2)]),
        [(X[0].transpose(1, 0, 2) @ Y[0].T).cumsum(0).repeat(2, axis=2)],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """What the interpreter makes of every case, by its name."""
    cases = {name: case for name, (case, _) in FORMULAS.items()}
    return side_by_side(cases, tmp_path_factory.mktemp("formulas"))


@pytest.mark.parametrize("name", FORMULAS)
def test_values_are_those_of_a_formula(name, computed):
    for result, value in zip(computed[name], FORMULAS[name][1], strict=True):
        np.testing.assert_allclose(result, value, rtol=2e-5, atol=2e-5)


def test_the_older_crop_resize_and_a_crop_with_regions(tmp_path):
    roi = np.float32([1, 1, 1, 3, 5]).reshape(1, 1, 5, 1, 1)

    def make(mb, x):
        return mb.crop_resize(x=x, roi=roi, target_height=3, target_width=5, sampling_mode="ALIGN_CORNERS")

    package = build(make, [X.shape], tmp_path, target="iOS16")
    names = [feature.name for feature in package.interface.inputs]
    (result,) = Interpreter(package).run({names[0]: X}).values()
    np.testing.assert_allclose(result.reshape(1, 3, 3, 5), X[1:, :, 1:, 1:], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_narrow_integers_keep_their_values(dtype, tmp_path):
    values = np.float32([0, 1, 100, -3.7, 127.9])

    def make(mb, x):
        return mb.cast(x=mb.cast(x=x, dtype=dtype), dtype="fp32")

    (result,) = run(build(make, [values.shape], tmp_path), values)
    expected = np.trunc(values) if dtype.startswith("int") else np.trunc(values).clip(0)
    np.testing.assert_array_equal(result, expected)
