"""Weight decompression, against the examples in coremltools' documentation."""

import numpy as np
import pytest

from pipersr_build.mil.ops.constexpr import TABLE


def run(name, **arguments):
    return TABLE[f"constexpr_{name}"](**{k: np.asarray(v) for k, v in arguments.items()})


def test_affine_dequantize_along_an_axis():
    data = np.array([[0, 255], [3, 4]], np.uint8)
    result = run(
        "affine_dequantize", quantized_data=data, zero_point=np.uint8([1, 2]), scale=[0.5, 2.0], axis=-1
    )
    assert result.tolist() == [[-0.5, 506], [1, 4]]
    result = run("affine_dequantize", quantized_data=data, zero_point=np.int8(3), scale=2.0, axis=0)
    assert result.tolist() == [[-6, 504], [0, 2]]


def test_packed_look_up_table():
    # i0 = 0, i1 = 3, i2 = 2, i3 = 1, i4 = 3 in two bits each
    packed = np.array([0b01101100, 0b11], np.uint8)
    result = run("lut_to_dense", indices=packed, lut=np.float16([10, 11, 12, 13]), shape=np.uint32([5, 1]))
    assert result.tolist() == [[10], [13], [12], [11], [13]]


def test_look_up_tables_per_group():
    indices = np.uint8([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3]).reshape(6, 2)
    lut = np.float16([1, 5, 9, 13, 2, 10, 18, 26]).reshape(2, 1, 4, 1)
    expected = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    assert run("lut_to_dense", indices=indices, lut=lut).tolist() == expected


def test_look_up_table_of_vectors():
    indices = np.uint8([0, 0, 1, 0, 1, 1, 0, 0]).reshape(2, 2, 2)
    lut = np.int8([1, 2, 3, 4, 5, 6]).reshape(1, 1, 1, 2, 3)
    a, b = [1, 2, 3], [4, 5, 6]
    across = run("lut_to_dense", indices=indices, lut=lut, vector_axis=2)
    assert across.tolist() == [[a + a, b + a], [b + b, a + a]]
    down = run("lut_to_dense", indices=indices, lut=lut, vector_axis=1)
    assert down.shape == (2, 6, 2)
    assert down[0].T.tolist() == [a + b, a + a]
    assert down[1].T.tolist() == [b + a, b + a]


def test_packed_mask():
    result = run(
        "sparse_to_dense", nonzero_data=np.float16([7, 8]), mask=np.uint8([0b1100]), shape=np.uint32([5])
    )
    assert result.tolist() == [0, 0, 7, 8, 0]


def test_blockwise_shift_scale():
    data = np.int8([[1, 2, 3, 4], [5, 6, 7, 8]])
    result = run("blockwise_shift_scale", data=data, scale=[[2.0, 10.0]], offset=np.int8([[1, 0]]))
    assert result.tolist() == [[0, 2, 30, 40], [8, 10, 70, 80]]
    assert run("blockwise_shift_scale", data=data, scale=[[1.0], [2.0]]).tolist() == [
        [1, 2, 3, 4],
        [10, 12, 14, 16],
    ]


MASK = np.uint8([[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]])
SPARSE = np.uint8([0, 1, 1, 0, 1, 1, 0, 0, 1])


def test_sparse_look_up_table():
    lut = np.float16([2, 3]).reshape(1, 1, 2, 1)
    mask, values = run("lut_to_sparse", indices_mask=MASK, indices_nonzero_data=SPARSE, lut=lut)
    assert np.array_equal(mask, MASK)
    assert values.tolist() == [2, 3, 3, 2, 3, 3, 2, 2, 3]
    dense = run("sparse_to_dense", nonzero_data=values, mask=mask)
    assert dense[2].tolist() == [0, 3, 2, 0, 2, 0]


def test_sparse_look_up_table_of_vectors():
    lut = np.float16([[2, 2], [3, 3]]).reshape(1, 1, 2, 2)
    mask, values = run(
        "lut_to_sparse", indices_mask=MASK, indices_nonzero_data=SPARSE, lut=lut, vector_axis=0
    )
    assert np.array_equal(mask, np.repeat(MASK, 2, axis=0))
    dense = run("sparse_to_dense", nonzero_data=values, mask=mask)
    assert dense[2].tolist() == dense[3].tolist() == [3, 2, 0, 0, 0, 3]


def test_sparse_blockwise_shift_scale():
    mask = np.uint8([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]])
    data = np.int8([10, 11, 3, 4, 5, 6, 7, 8, 9])
    arguments = {"scale": [[0.1, 0.2, 0.3, 0.4]], "offset": np.int8([[1, 2, 3, 4]])}
    same, values = run("sparse_blockwise_shift_scale", data_mask=mask, nonzero_data=data, **arguments)
    assert np.array_equal(same, mask)
    np.testing.assert_allclose(values, [0.9, 1.8, 0.2, 0.4, 0.6, 0.9, 1.2, 0.7, 1.4], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("lut_to_dense", {"indices": np.uint8([0]), "lut": np.zeros(16), "shape": [2**30]}, "more than 1"),
        ("sparse_to_dense", {"nonzero_data": [1.0], "mask": np.uint8([0]), "shape": [2**40]}, "more than 1"),
        ("blockwise_shift_scale", {"data": np.zeros((3, 4)), "scale": np.ones((2, 1))}, "2 blocks do not"),
        ("affine_dequantize", {"quantized_data": [0, 0], "zero_point": 0, "scale": 1, "axis": 3}, "axis 3"),
    ],
)  # fmt: skip
def test_contradicting_sizes_are_refused_before_memory_is_taken(name, arguments, match):
    with pytest.raises(ValueError, match=match):
        run(name, **arguments)
