from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.export.compression.clusters import cluster

VALUES = st.lists(st.integers(-2000, 2000), min_size=1, max_size=9, unique=True).map(sorted)


def exact_cost(values, counts, edges):
    total = Fraction(0)
    for first, end in pairwise(edges):
        weight = sum(counts[first:end])
        mean = Fraction(sum(v * c for v, c in zip(values[first:end], counts[first:end], strict=True)), weight)
        total += sum(c * (v - mean) ** 2 for v, c in zip(values[first:end], counts[first:end], strict=True))
    return total


@given(VALUES, st.integers(1, 5), st.data())
def test_no_division_into_runs_costs_less(values, most, data):
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    means, found = cluster(np.array(values) / 1024, np.array(counts), most)
    number = min(most, len(values))
    edges = [0, *(np.flatnonzero(np.diff(found)) + 1).tolist(), len(values)]
    assert len(means) == len(edges) - 1 == number
    every = [[0, *inner, len(values)] for inner in combinations(range(1, len(values)), number - 1)]
    assert exact_cost(values, counts, edges) == min(exact_cost(values, counts, one) for one in every)


def test_it_is_as_good_as_the_compiled_search_and_its_means_are_exact():
    from pipersr_build import quiet

    quiet.coremltools()
    from coremltools._deps import _kmeans1d

    weights = np.random.default_rng(0).normal(size=3000).astype(np.float16).astype(np.float64)
    values, counts = np.unique(weights, return_counts=True)
    means, found = cluster(values, counts, 64)
    theirs = _kmeans1d.cluster(values, 64, weights=counts)
    lost = [(counts * (values - np.asarray(m)[f]) ** 2).sum() for m, f in ((means, found), theirs[:2][::-1])]
    assert lost[0] == pytest.approx(lost[1], rel=1e-12)
    for index in (0, 31, 63):
        mine = found == index
        total = sum(Fraction(v) * int(c) for v, c in zip(values[mine], counts[mine], strict=True))
        assert means[index] == float(total / int(counts[mine].sum()))


def test_a_mean_half_way_between_two_weights_is_rounded_alike_however_they_are_added():
    low, high = np.float16(0.1), np.nextafter(np.float16(0.1), np.float16(1))
    far = np.linspace(1, 2, 300, dtype=np.float16).astype(np.float64)  # what running sums lose digits on
    values = np.unique(np.concatenate([[low, high], far]).astype(np.float64))
    means, found = cluster(values, np.ones(len(values), int), 200)
    assert found[0] == found[1] != found[2]
    assert means[0] == (float(low) + float(high)) / 2
