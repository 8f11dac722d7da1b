"""Reading and writing at computed positions, against numpy."""

import numpy as np
import pytest
import torch

from pipersr_build.mil.ops import TABLE

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 5))


def run(name, *values, **arguments):
    names = {"gather": ("x", "indices"), "scatter": ("data", "indices", "updates")}[name.split("_")[0]]
    return TABLE[name](
        **{n: torch.from_numpy(np.asarray(v)) for n, v in zip(names, values, strict=True)}, **arguments
    )


@pytest.mark.parametrize("indices", [2, [0, 3, -1], [[1, 2], [-2, 0]]])
def test_gather(indices):
    np.testing.assert_array_equal(run("gather", X, indices, axis=1), np.take(X, indices, 1))


def test_gather_in_batches():
    indices = RNG.integers(0, 5, (3, 4, 2))
    expected = np.stack([np.stack([X[b, c][indices[b, c]] for c in range(4)]) for b in range(3)])
    np.testing.assert_array_equal(run("gather", X, indices, axis=2, batch_dims=2), expected)


def test_gather_along_axis():
    indices = RNG.integers(-4, 4, (3, 7, 5))
    np.testing.assert_array_equal(
        run("gather_along_axis", X, indices, axis=-2), np.take_along_axis(X, indices, 1)
    )


def test_gather_nd():
    indices = np.array([[[0, 1], [2, -1]]])
    np.testing.assert_array_equal(run("gather_nd", X, indices), X[[[0, 2]], [[1, 3]]])
    batched = np.array([[[1, 2]], [[0, 4]], [[3, 0]]])
    np.testing.assert_array_equal(
        run("gather_nd", X, batched, batch_dims=1)[:, 0], [X[0, 1, 2], X[1, 0, 4], X[2, 3, 0]]
    )


@pytest.mark.parametrize("index", [4, -5])
def test_positions_out_of_range_are_refused(index):
    with pytest.raises(IndexError, match=f"indices from {index} to {index} for 4 elements"):
        run("gather", X, [index], axis=1)


WRITES = {
    "update": lambda _, new: new, "add": np.add, "sub": np.subtract, "mul": np.multiply,
    "div": np.divide, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


@pytest.mark.parametrize("mode", WRITES)
def test_scatter(mode):
    # positions occur twice where the mode does not depend on the order of writing
    places = [3, 0] if mode == "update" else [3, 0, 3]
    updates = RNG.uniform(0.5, 2, (3, len(places), 5))
    expected = X.copy()
    for i, place in enumerate(places):
        expected[:, place] = WRITES[mode](expected[:, place], updates[:, i])
    result = run("scatter", X, np.array(places), updates, axis=1, mode=mode)
    np.testing.assert_allclose(result, expected)


@pytest.mark.parametrize("mode", WRITES)
def test_scatter_nd_and_along_axis(mode):
    indices, updates = np.array([[0, 1], [2, 3]]), RNG.uniform(0.5, 2, (2, 5))
    expected = X.copy()
    for (i, j), update in zip(indices, updates, strict=True):
        expected[i, j] = WRITES[mode](expected[i, j], update)
    np.testing.assert_allclose(run("scatter_nd", X, indices, updates, mode=mode), expected)
    along, single = np.array([[[1], [0]], [[2], [3]], [[4], [4]]]), RNG.uniform(0.5, 2, (3, 2, 1))
    expected = X[:, :2].copy()
    old = np.take_along_axis(expected, along, 2)
    np.put_along_axis(expected, along, WRITES[mode](old, single), 2)
    result = run("scatter_along_axis", X[:, :2], along, single, axis=2, mode=mode)
    np.testing.assert_allclose(result, expected)


def test_scatter_leaves_its_input_alone():
    data = torch.zeros(3)
    for mode in WRITES:
        TABLE["scatter"](data=data, indices=torch.tensor([1]), updates=torch.ones(1), mode=mode)
    assert data.tolist() == [0, 0, 0]


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis):
    indices = np.array([[0, 2], [1, 7]])
    expected = np.moveaxis(np.where(indices[..., None] == np.arange(3), 5, -1), -1, axis)
    result = TABLE["one_hot"](
        indices=torch.from_numpy(indices), one_hot_vector_size=3, axis=axis,
        on_value=torch.tensor(5), off_value=torch.tensor(-1),
    )  # fmt: skip
    np.testing.assert_array_equal(result, expected)
    assert TABLE["one_hot"](indices=torch.tensor([1]), one_hot_vector_size=2).tolist() == [[0, 1]]


def test_non_zero():
    assert TABLE["non_zero"](x=torch.tensor([[0, 3], [4, 0]])).tolist() == [[0, 1], [1, 0]]


def test_reversed_sequences():
    x = torch.arange(10).reshape(2, 5)
    result = TABLE["reverse_sequence"](x=x, lengths=torch.tensor([3, 5]), seq_axis=1, batch_axis=0)
    assert result.tolist() == [[2, 1, 0, 3, 4], [9, 8, 7, 6, 5]]
