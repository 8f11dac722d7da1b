import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.runtime import transparency
from pipersr_build.runtime.transparency import fill, limit


def random(shape, seed, most=256):
    return np.random.default_rng(seed).integers(0, most, shape, dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_colours_grow_only_where_they_mean_nothing(height, width, reach, seed, gray):
    colour = random((height, width) if gray else (height, width, 3), seed)
    alpha = random((height, width), seed + 1, 3) // 2 * 100
    made = fill(colour, alpha, reach)
    assert made.dtype == colour.dtype
    assert np.array_equal(made[alpha > 0], colour[alpha > 0])
    hidden = colour.copy()
    hidden[alpha == 0] = 255 - hidden[alpha == 0]
    near = fill(hidden, alpha, reach)
    rows, columns = np.nonzero(alpha)
    for y, x in np.ndindex(height, width):
        distance = np.maximum(abs(rows - y), abs(columns - x)).min() if len(rows) else reach + 1
        if distance <= reach:  # chessboard distance to a pixel with a colour
            assert np.array_equal(made[y, x], near[y, x])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_bands_do_not_show(height, width, reach, band, seed):
    colour, alpha = random((height, width, 3), seed), random((height, width), seed + 1, 9) // 8
    whole = fill(colour, alpha, reach)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transparency, "_FILLED", band)
        assert np.array_equal(fill(colour, alpha, reach), whole)


def test_a_grown_colour_is_the_mean_of_its_neighbours():
    colour, alpha = np.array([[10, 77, 21]], np.uint8), np.array([[255, 0, 1]], np.uint8)
    assert fill(colour, alpha, 1).tolist() == [[10, 16, 21]]


def test_nothing_is_grown_from_nothing():
    colour, alpha = random((3, 4), 0), np.zeros((3, 4), np.uint8)
    assert fill(colour, alpha, 3) is colour


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 20), st.sampled_from([1.5, 2, 3, 4]), st.integers(0, 99))
def test_enlarged_alpha_stays_between_its_neighbours(height, width, scale, seed):
    alpha = random((height, width), seed)
    made = random((int(height * scale), int(width * scale)), seed + 1)
    before = made.copy()
    limit(made, alpha, scale)
    for y, x in [(0, 0), (made.shape[0] - 1, made.shape[1] - 1), (made.shape[0] // 2, made.shape[1] // 3)]:
        row, column = int(y / scale), int(x / scale)
        around = alpha[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert made[y, x] == np.clip(before[y, x], around.min(), around.max())
