"""How values are held and rounded."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipersr_build.mil.graph import TensorType
from pipersr_build.mil.values import HELD, convert, held, round_to_fp16_, settle


def as_fp16(array):
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=5), elements=st.floats(width=32)))
def test_rounding_is_ieee_rounding_to_fp16(array):
    np.testing.assert_array_equal(round_to_fp16_(torch.from_numpy(array.copy())).numpy(), as_fp16(array))


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        (65519.996, 65504), (65520, np.inf), (-1e30, -np.inf),  # overflow starts half a step above 65504
        (2**-24, 2**-24), (2**-25, 0), (2**-25 * 1.01, 2**-24),  # subnormals, ties to even
        (1 + 2**-11, 1), (1 + 3 * 2**-11, 1 + 2**-9), (np.nan, np.nan),
    ],
)  # fmt: skip
def test_rounding_at_the_edges(exact, rounded):
    result = round_to_fp16_(torch.tensor([exact], dtype=torch.float32)).numpy()
    assert np.array_equal(result, np.float32([rounded]), equal_nan=True)


def test_rounding_covers_more_than_one_piece():
    array = np.random.default_rng(0).standard_normal(5_000_000).astype(np.float32)
    value = round_to_fp16_(torch.from_numpy(array.copy()))
    np.testing.assert_array_equal(value.numpy(), as_fp16(array))


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
def test_rounding_keeps_every_memory_layout(layout):
    array = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    value = torch.from_numpy(array.copy())
    if layout == "channels_last":
        value = value.contiguous(memory_format=torch.channels_last)
    if layout == "strided":
        value = value.repeat_interleave(2, dim=3)[..., ::2]
    stride = value.stride()
    result = round_to_fp16_(value)
    np.testing.assert_array_equal(result.numpy(), as_fp16(array))
    assert layout == "strided" or result.stride() == stride


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("int32", [1.9, -1.9, np.nan, np.inf, -np.inf], [1, -1, 0, 2**31 - 1, -(2**31)]),
        ("int8", [127.5, 300.0, -300.0], [127, 127, -128]),
        ("uint8", [-3.0, 255.9, 256.0], [0, 255, 255]),
        ("uint16", [65535.9, 70000.0, -1.0], [65535, 65535, 0]),
        ("int64", [1e30, -1e30], [2**63 - 1024, -(2**63)]),
        ("bool", [0.0, 0.5, -0.0], [False, True, False]),
    ],
)
def test_floats_become_integers_towards_zero_and_within_bounds(dtype, given, expected):
    result = convert(torch.tensor(given), dtype)
    assert result.dtype is HELD[dtype]
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [("int8", [127, 128, -129], [127, -128, 127]), ("uint8", [-1, 256], [255, 0]),
     ("uint16", [-1, 65536], [65535, 0]), ("int32", [2**31], [-(2**31)]), ("fp32", [3], [3.0])],
)  # fmt: skip
def test_integers_wrap(dtype, given, expected):
    assert convert(torch.tensor(given), dtype).tolist() == expected


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int16", "bool", "fp16", "uint8"])
def test_arrays_are_held_exactly(dtype):
    kind = np.dtype("float16" if dtype == "fp16" else dtype)
    array = np.array([0, 1, 60000 if dtype.startswith("uint") and dtype != "uint8" else 1], kind)
    result = held(array, dtype)
    assert result.dtype is HELD[dtype]
    assert result.tolist() == array.tolist()


def test_settling_leaves_shared_memory_alone():
    source = torch.tensor([1.0001])
    result = settle(source, TensorType("fp16", (1,)), "fp16", shared="fp32")
    assert source.item() == np.float32(1.0001)
    assert result.item() == 1.0


def test_settling_rounds_a_fresh_result_in_place():
    fresh = torch.tensor([1.0001])
    assert settle(fresh, TensorType("fp16", (1,)), "fp16", shared=None).data_ptr() == fresh.data_ptr()
    assert fresh.item() == 1.0


def test_float32_semantics_do_not_round():
    assert settle(torch.tensor([1e6]), TensorType("fp16", (1,)), "fp32", None).item() == 1e6
