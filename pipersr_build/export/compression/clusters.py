"""The best clusters of numbers in one dimension, the same on every machine.

coremltools holds a compiled version of this search. How that rounds is its compiler's choice, and processors
that multiply and add in one operation may get another last digit. Weights of 11 bits tie often, so that it
shows: the mean of two neighbours lies half-way between two numbers of their type. Here every step is one
operation of IEEE 754 on float64, in a fixed order, and sums for means are exact.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


def cluster(values: np.ndarray, counts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` clusters with the least sum of squared distances to their means.

    Wu, "Optimal quantization by matrix searching" (1991): a cluster is a run of sorted values, and where the
    last of them begins moves up with where it ends. So of the ends of each number of clusters the middle one
    is searched first, then those half-way, each between what its neighbours found.

    Args:
        values: n, sorted and different, of at most 24 bits.
        counts: n, how often each occurs.
        most: at least 1.

    Returns:
        each cluster's mean, and each value's cluster, as indices.
    """
    costs = _Costs.of(values.astype(np.float64), counts.astype(np.float64))
    number, size = min(most, len(values)), len(values)
    least = costs.between(np.zeros(size + 1, np.int64), np.arange(size + 1))
    begun = []
    for clusters in range(2, number + 1):
        least, starts = _one_more(least, costs, clusters)
        begun.append(starts)
    edges = [size]
    for starts in reversed(begun):
        edges.append(int(starts[edges[-1]]))
    edges = [0, *reversed(edges)]
    means = [_mean(values[a:b], counts[a:b]) for a, b in pairwise(edges)]
    return np.array(means), np.repeat(np.arange(number), np.diff(edges))


def _mean(values: np.ndarray, counts: np.ndarray) -> float:
    """Products of 24 and 29 bits are exact in float64, and so is their sum but for one rounding."""
    return math.fsum(values.astype(np.float64) * counts) / int(counts.sum())


@dataclass(frozen=True)
class _Costs:
    """Running sums of weights, values and squares, from which the cost of any cluster follows."""

    weights: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, counts: np.ndarray) -> "_Costs":
        products = counts * values
        return cls(*(np.append(0.0, np.cumsum(one)) for one in (counts, products, products * values)))

    def between(self, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The cost of the cluster from `first` up to before `end`, for each pair; of an empty one 0."""
        total = self.sums[end] - self.sums[first]
        weight = np.maximum(self.weights[end] - self.weights[first], 1.0)
        cost: np.ndarray = (self.squares[end] - self.squares[first]) - total * total / weight
        return cost


def _one_more(least: np.ndarray, costs: _Costs, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """From the least costs in one cluster fewer: those in `clusters`, and where the last one starts.

    Index j stands for the first j values; where j < `clusters`, what is returned means nothing.
    """
    size = len(least) - 1
    found, starts = np.full(size + 1, np.inf), np.full(size + 1, clusters - 1)
    step = 1 << size.bit_length()
    while step := step // 2:
        ends = np.arange(step, size + 1, 2 * step)
        ends = ends[ends >= clusters]
        if not len(ends):
            continue
        low = np.where(ends - step >= clusters, starts[ends - step], clusters - 1)
        high = np.where(ends + step <= size, starts[np.minimum(ends + step, size)], size)
        high = np.maximum(np.minimum(high, ends - 1), low)
        found[ends], starts[ends] = _best(least, costs, ends, low, high)
    return found, starts


def _best(
    least: np.ndarray, costs: _Costs, ends: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least cost for each end, and the first start from `low` to `high` that has it."""
    lengths = high - low + 1
    begin = np.cumsum(lengths) - lengths
    tried = np.arange(lengths.sum()) + np.repeat(low - begin, lengths)
    total = least[tried] + costs.between(tried, np.repeat(ends, lengths))
    smallest = np.minimum.reduceat(total, begin)
    hits = np.flatnonzero(total == np.repeat(smallest, lengths))
    return smallest, tried[hits[np.searchsorted(hits, begin)]]
