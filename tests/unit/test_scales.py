import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.scales import ratio, to_hr, to_lr


@pytest.mark.parametrize(("scale", "expected"), [(1.5, (3, 2)), (2, (2, 1)), (3.0, (3, 1)), (4, (4, 1))])
def test_the_smallest_stretches_that_make_each_other(scale, expected):
    assert ratio(scale) == expected


@given(st.sampled_from([1.5, 2, 3, 4]), st.integers(0, 500))
def test_there_and_back(scale, units):
    hr, lr = ratio(scale)
    assert to_hr(units * lr, scale) == units * hr == scale * units * lr
    assert to_lr(units * hr + hr - 1, scale) == units * lr
    assert isinstance(to_hr(units, scale), int)


def test_arrays_stay_whole():
    assert to_hr(np.array([0, 2, 4]), 1.5).tolist() == [0, 3, 6]
    assert to_lr(np.array([3, 4, 6]), 1.5).dtype == np.int64
