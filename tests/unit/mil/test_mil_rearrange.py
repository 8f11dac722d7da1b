import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.mil.ops import space
from pipersr_build.mil.rearrange import Named, Rearrangement, Step, definition, lowest_terms, named

KINDS = ("pixel_shuffle", "depth_to_space", "pixel_unshuffle", "space_to_depth")
extents = st.integers(1, 4)


def execute(array: np.ndarray, steps: list[Step]) -> np.ndarray:
    for step in steps:
        array = array.reshape(step.numbers) if step.kind == "reshape" else array.transpose(step.numbers)
    return array


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(math.prod(shape)).reshape(shape)


@st.composite
def chains(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Step]]:
    """A shape, and steps that only split, merge and permute its axes."""
    middle = draw(st.lists(extents, min_size=1, max_size=7))
    shape, steps = tuple(middle), []
    for _ in range(draw(st.integers(0, 4))):
        perm = tuple(draw(st.permutations(range(len(shape)))))
        shape = tuple(shape[i] for i in perm)
        cut = draw(st.integers(0, len(shape)))
        merged = (*shape[:cut], math.prod(shape[cut : cut + 2]), *shape[cut + 2 :])
        steps += [Step("transpose", perm), Step("reshape", merged)]
        shape = merged
    return tuple(middle), steps


@given(chains())
def test_lowest_terms_do_what_the_chain_does(chain: tuple[tuple[int, ...], list[Step]]) -> None:
    source, steps = chain
    found = lowest_terms(source, steps)
    if found is None:
        return
    short = [Step("reshape", found.extents), Step("transpose", found.perm), Step("reshape", found.target)]
    np.testing.assert_array_equal(execute(numbered(source), short), execute(numbered(source), steps))
    assert len(found.extents) <= max([len(source), *(len(step.numbers) for step in steps)])
    assert 1 not in found.extents


@given(st.sampled_from(KINDS), st.integers(2, 4), extents, extents, extents, extents)
def test_every_definition_is_recognised_in_any_spelling(
    kind: str, factor: int, batch: int, channels: int, height: int, width: int
) -> None:
    small = (batch, channels * factor**2, height, width)
    steps = definition(kind, factor, small)
    grows = kind in ("pixel_shuffle", "depth_to_space")
    source = small if grows else (*steps[0].numbers[:2], height * factor, width * factor)
    found = lowest_terms(source, steps)
    assert found is not None
    answer = named(found)
    assert answer is not None
    do = getattr(space, answer.kind)
    result = do(torch.from_numpy(numbered(source)), answer.factor).numpy()
    np.testing.assert_array_equal(result, execute(numbered(source), steps))


def test_a_shuffle_without_its_batch_axis_is_a_pixel_shuffle() -> None:
    steps = [
        Step("reshape", (3, 2, 2, 8, 10)),
        Step("transpose", (0, 3, 1, 4, 2)),
        Step("reshape", (1, 3, 16, 20)),
    ]
    found = lowest_terms((1, 12, 8, 10), steps)
    assert found is not None
    assert named(found) == Named("pixel_shuffle", 2)


def test_a_shuffle_in_four_axes_at_a_time_is_a_pixel_shuffle() -> None:
    steps = [
        Step("reshape", (3, 4, 8, 10)),
        Step("reshape", (3, 2, 2, 80)),
        Step("reshape", (6, 2, 8, 10)),
        Step("transpose", (0, 2, 3, 1)),
        Step("reshape", (3, 2, 8, 20)),
        Step("transpose", (0, 2, 1, 3)),
        Step("reshape", (1, 3, 16, 20)),
    ]
    found = lowest_terms((1, 12, 8, 10), steps)
    assert found is not None
    assert named(found) == Named("pixel_shuffle", 2)


@pytest.mark.parametrize(
    ("source", "steps"),
    [
        ((1, 12, 8, 10), [Step("transpose", (0, 1, 3, 2))]),
        ((1, 12, 8, 10), [Step("reshape", (1, 3, 16, 20))]),
        ((1, 12, 8, 10), [Step("reshape", (1, 3, 4, 8, 10)), Step("transpose", (0, 1, 3, 2, 4)),
                          Step("reshape", (1, 3, 32, 10))]),
    ],
)  # fmt: skip
def test_other_rearrangements_have_no_name(source: tuple[int, ...], steps: list[Step]) -> None:
    found = lowest_terms(source, steps)
    assert found is not None
    assert named(found) is None


def test_a_reshape_across_axes_is_no_permutation() -> None:
    assert lowest_terms((4, 6), [Step("reshape", (2, 2, 6))]) == Rearrangement((4, 6), (24,), (0,), (2, 2, 6))
    assert lowest_terms((4, 6), [Step("reshape", (6, 4))]) is None
    assert lowest_terms((4, 6), [Step("transpose", (1, 0)), Step("reshape", (4, 6))]) is None


def test_windows_of_one_picture_need_five_axes() -> None:
    steps = [
        Step("reshape", (1, 64, 4, 8, 5, 8)),
        Step("transpose", (0, 2, 4, 3, 5, 1)),
        Step("reshape", (20, 64, 64)),
    ]
    found = lowest_terms((1, 64, 32, 40), steps)
    assert found is not None
    assert found.extents == (64, 4, 8, 5, 8)
    assert named(found) is None


@pytest.mark.parametrize("perm", [(0, 0, 1), (0, 1), (0, 1, 2, 3), (0, 1, 5)])
def test_what_is_no_permutation_of_the_axes_is_refused(perm: tuple[int, ...]) -> None:
    assert lowest_terms((2, 3, 4), [Step("transpose", perm), Step("reshape", (24,))]) is None
