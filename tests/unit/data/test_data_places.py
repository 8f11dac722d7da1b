import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.data.places import Places, cumulative_weights, draw, generator, key_of
from pipersr_build.errors import InputError

SIZES = np.array([[12, 15], [6, 6], [20, 8]], np.int64)
NAMES = ["a", "b", "c"]
WEIGHTS = cumulative_weights(SIZES, None, NAMES)


def columns(places: Places) -> np.ndarray:
    return np.stack([places.row, places.picture, places.top, places.left, places.turn], axis=1)


@given(
    st.integers(0, 2**70),
    st.integers(0, 2**40),
    st.sampled_from([(1, 24), (2, 12), (3, 8), (6, 4), (24, 1)]),
    st.integers(1, 6),
)
def test_slices_of_any_width_make_the_same_global_batch(
    seed: int, step: int, parts: tuple[int, int], patch: int
) -> None:
    key = key_of(seed, 0)
    whole = columns(draw(key, step, range(24), SIZES, WEIGHTS, patch))
    count, width = parts
    slices = [draw(key, step, range(i * width, (i + 1) * width), SIZES, WEIGHTS, patch) for i in range(count)]
    np.testing.assert_array_equal(np.concatenate([columns(part) for part in slices]), whole)
    row, picture, top, left, turn = whole.T
    assert row.tolist() == list(range(24))
    assert ((top >= 0) & (top + patch <= SIZES[picture, 0])).all()
    assert ((left >= 0) & (left + patch <= SIZES[picture, 1])).all()
    assert ((turn >= 0) & (turn < 8)).all()


def test_no_two_steps_seeds_or_streams_share_numbers() -> None:
    large = np.array([[10_000, 10_000]], np.int64)
    weights = cumulative_weights(large, None, ["x"])
    seen = [
        tuple(row[1:])
        for key in (key_of(0, 0), key_of(0, 1), key_of(1, 0))
        for step in range(20)
        for row in columns(draw(key, step, range(16), large, weights, 1)).tolist()
    ]
    assert len(set(seen)) == len(seen) == 3 * 20 * 16


def test_the_sequence_is_fixed() -> None:
    """Old runs stay reproducible: these numbers are a promise, not to be changed."""
    found = columns(draw(key_of(7, 0), 1000, range(2, 5), SIZES, WEIGHTS, 5))
    assert found.tolist() == [[2, 2, 9, 2, 1], [3, 0, 4, 1, 7], [4, 2, 11, 3, 1]]


def test_a_patch_has_a_generator_of_its_own() -> None:
    key = key_of(0, 1)
    first = [generator(key, step, row).random() for step in range(5) for row in range(5)]
    assert first == [generator(key, step, row).random() for step in range(5) for row in range(5)]
    assert len(set(first)) == 25


def test_emphasis_multiplies_the_area() -> None:
    weights = cumulative_weights(SIZES, [1, 0, 3], NAMES)
    np.testing.assert_array_equal(weights, np.cumsum([180, 0, 480]))
    chosen = draw(key_of(0, 0), 0, range(20_000), SIZES, weights, 2).picture
    share = np.bincount(chosen, minlength=3) / 20_000
    np.testing.assert_allclose(share, [180 / 660, 0, 480 / 660], atol=0.015)


@pytest.mark.parametrize(
    ("emphasis", "name"), [([1, -1, 1], "b"), ([1, 1, float("nan")], "c"), ([float("inf"), 1, 1], "a")]
)
def test_impossible_emphasis_names_the_picture(emphasis: list[float], name: str) -> None:
    with pytest.raises(InputError, match="emphasis") as caught:
        cumulative_weights(SIZES, emphasis, NAMES)
    assert caught.value.where == name


def test_emphasis_for_nothing_or_for_others_is_refused() -> None:
    with pytest.raises(InputError, match="every picture has the emphasis 0"):
        cumulative_weights(SIZES, [0, 0, 0], NAMES)
    with pytest.raises(ValueError, match="3 pictures"):
        cumulative_weights(SIZES, [1, 1], NAMES)
