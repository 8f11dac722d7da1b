"""Element types: packed numbers and byte counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.mil import dtypes


@given(st.sampled_from([1, 2, 3, 4, 6, 8]), st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_unpacking_inverts_packing(bits, numbers):
    numbers = [n % 2**bits for n in numbers]
    stream = "".join(format(n, f"0{bits}b")[::-1] for n in numbers)
    stream += "0" * (-len(stream) % 8)
    packed = np.array([int(stream[i : i + 8][::-1], 2) for i in range(0, len(stream), 8)], np.uint8)
    assert dtypes.unpack(packed, bits, len(numbers)).tolist() == numbers


def test_int4_has_a_sign():
    assert dtypes.decode(np.array([0xF7, 0x08], np.uint8), "int4", 3).tolist() == [7, -1, -8]


@pytest.mark.parametrize(("dtype", "count", "size"), [("fp16", 3, 6), ("uint1", 9, 2), ("uint6", 4, 3)])
def test_byte_length(dtype, count, size):
    assert dtypes.byte_length(dtype, count) == size


@pytest.mark.parametrize("dtype", ["fp32", "uint4"])
def test_too_few_bytes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"buffer|need more"):
        dtypes.decode(np.zeros(2, np.uint8), dtype, 9)
