import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_corpora import picture

from pipersr_build.data.making import Recipe, fitting, reduced


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.lists(st.floats(0.05, 0.95), unique=True)
)
def test_exactly_the_copies_that_stay_large_enough(
    height: int, width: int, least: int, factors: list[float]
) -> None:
    found = fitting(Recipe(tuple(factors), least), height, width)
    assert found == [factor for factor in factors if round(min(height, width) * factor) >= least]
    for factor in found:
        copy = reduced(picture(0, height, width), factor)
        assert copy.shape == (round(height * factor), round(width * factor), 3)
        assert min(copy.shape[:2]) >= least


@pytest.mark.parametrize("factor", [0.8, 0.64])
def test_reduction_keeps_what_it_can_show_and_nothing_finer(factor: float) -> None:
    x = np.arange(200) / 200

    def wave(cycles: float) -> np.ndarray:
        line = np.round(127.5 + 100 * np.sin(2 * np.pi * cycles * x)).astype(np.uint8)
        return np.tile(line[None, :, None], (200, 1, 3))

    middle = slice(30, -30)
    coarse = reduced(wave(10), factor)[middle, middle].astype(float)
    fine = reduced(wave(97), factor)[middle, middle].astype(float)  # beyond what the copy can hold
    assert np.ptp(coarse) > 195
    assert np.ptp(fine) < 50


def test_a_read_only_view_can_be_reduced() -> None:
    whole = picture(0, 50, 40)
    whole.flags.writeable = False
    part = whole[10:, 5:]
    same = np.array(Image.fromarray(np.array(part)).resize((28, 32), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(reduced(part, 0.8), same)
