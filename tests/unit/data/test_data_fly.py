import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_corpora import picture

from pipersr_build.data.fly import SmallOnTheFly
from pipersr_build.data.resize import downscale
from pipersr_build.errors import InputError


@given(
    st.data(), st.sampled_from([1.5, 2, 3, 4]), st.integers(4, 40), st.integers(4, 40), st.integers(0, 100)
)
def test_every_part_is_that_of_the_whole(
    data: st.DataObject, scale: float, height: int, width: int, seed: int
) -> None:
    hr = picture(seed, height, width)
    lr, whole = SmallOnTheFly(hr, scale), downscale(hr, scale)
    assert lr.shape == whole.shape
    assert lr.size == whole.size
    top, bottom = sorted(data.draw(st.tuples(*[st.integers(0, whole.shape[0])] * 2), label="rows"))
    left, right = sorted(data.draw(st.tuples(*[st.integers(0, whole.shape[1])] * 2), label="columns"))
    if top < bottom and left < right:
        np.testing.assert_array_equal(lr[top:bottom, left:right], whole[top:bottom, left:right])
    np.testing.assert_array_equal(np.asarray(lr), whole)


def test_it_stands_in_for_an_array() -> None:
    lr = SmallOnTheFly(picture(0), 2)
    assert (lr.dtype, lr.ndim) == (np.uint8, 3)
    assert np.asarray(lr, np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        lr[::2, :]
    with pytest.raises(InputError):
        SmallOnTheFly(picture(0, 1, 9), 2)
