"""Operations that take values apart, join them and give them other shapes, against numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.mil.ops import TABLE

X = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)


def run(name, x=X, **arguments):
    return TABLE[name](x=torch.from_numpy(x), **arguments)


def check(result, expected):
    np.testing.assert_array_equal(result.numpy(), expected)


@st.composite
def slices(draw, size):
    begin, end = draw(st.integers(-size - 2, size + 2)), draw(st.integers(-size - 2, size + 2))
    return begin, end, draw(st.sampled_from([-3, -2, -1, 1, 2, 3])), draw(st.booleans()), draw(st.booleans())


@given(st.tuples(*map(slices, X.shape)), st.randoms(use_true_random=False))
def test_slices_follow_numpy(parts, random):
    begin, end, stride, begin_mask, end_mask = map(list, zip(*parts, strict=True))
    expected = X[tuple(
        slice(None if no_begin else b, None if no_end else e, s) for b, e, s, no_begin, no_end in parts
    )]  # fmt: skip
    arguments = {"begin": begin, "end": end, "stride": stride, "begin_mask": begin_mask, "end_mask": end_mask}
    check(run("slice_by_index", **arguments), expected)
    update = np.float32([random.random() for _ in range(expected.size)]).reshape(expected.shape)
    changed = X.copy()
    changed[tuple(slice(None if nb else b, None if ne else e, s) for b, e, s, nb, ne in parts)] = update
    check(run("slice_update", update=torch.from_numpy(update), **arguments), changed)
    assert X[0, 0, 0, 1] == 1


def test_a_squeezed_slice_drops_the_axis():
    arguments = {"begin": [0, -1, 1, 0], "end": [0, 0, 3, 0], "squeeze_mask": [True, True, False, False],
                 "end_mask": [False, False, False, True]}  # fmt: skip
    check(run("slice_by_index", **arguments), X[0, -1, 1:3])
    updated = run("slice_update", update=torch.zeros(2, 6), **arguments)
    assert updated[0, -1, 1:3].sum() == 0
    assert updated.sum() == X.sum() - X[0, -1, 1:3].sum()


def test_a_squeezed_position_out_of_range_is_refused():
    with pytest.raises(ValueError, match="axis 5 of a value of rank 2"):
        run("slice_by_index", begin=[5, 0, 0, 0], end=[0, 3, 4, 6], squeeze_mask=[True, False, False, False])


def test_slices_by_size():
    check(run("slice_by_size", begin=[0, -2, 1, 0], size=[-1, 1, 2, -1]), X[:, -2:-1, 1:3])


@given(
    st.sampled_from(["constant", "reflect", "replicate"]), st.lists(st.integers(0, 2), min_size=6, max_size=6)
)
def test_padding_follows_numpy(mode, pad):
    pairs = [(0, 0), *zip(pad[::2], pad[1::2], strict=True)]
    if mode == "constant":
        expected = np.pad(X, pairs, mode, constant_values=0.5)
    else:
        expected = np.pad(X, pairs, {"replicate": "edge"}.get(mode, mode))
    check(run("pad", pad=pad, mode=mode, constant_val=0.5), expected)


@pytest.mark.parametrize(
    ("pad", "mode", "match"),
    [([3, 0, 6, 0], "reflect", "6 elements cannot be reflected from 6"), ([1, 1], "wrap", "mode 'wrap'"),
     ([-1, 0], "constant", "negative"), ([1, 1, 1], "constant", "3 numbers")],
)  # fmt: skip
def test_impossible_padding_is_refused(pad, mode, match):
    with pytest.raises(ValueError, match=match):
        run("pad", pad=pad, mode=mode)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ([6, -1], (6, 24)),
        ([0, -1], (4, 36)),
        ([2, 0, -1, 0], (2, 3, 4, 6)),
        ([1, 0, 0, 0, 0], (1, 2, 3, 4, 6)),
    ],
)
def test_reshape_counts_zeros_from_the_last_axis(shape, expected):
    assert run("reshape", shape=shape).shape == expected


def test_reshape_fills_missing_axes_with_one():
    assert run("reshape", x=np.zeros((2, 50)), shape=[1, 0, -1, 0]).shape == (1, 1, 2, 50)


def test_reshape_like():
    references = (torch.zeros(6, 7), torch.zeros(1, 4, 6))
    result = run("reshape_like", ref_tensors=references, begins=[0, 1], ends=[1, 0], end_masks=[False, True])
    assert result.shape == (6, 4, 6)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("transpose", {"perm": [0, -1, 1, 2]}, X.transpose(0, 3, 1, 2)),
        ("expand_dims", {"axes": [-1, 0]}, X[None, ..., None]),
        ("squeeze", {"axes": [0, 1]}, X),
        ("flatten2d", {"axis": 2}, X.reshape(6, 24)),
        ("flatten2d", {"axis": -1}, X.reshape(24, 6)),
        ("reverse", {"axes": [1, -1]}, X[:, ::-1, :, ::-1]),
        ("reverse", {}, X[::-1, ::-1, ::-1, ::-1]),
        ("tile", {"reps": [1, 2, 1, 3]}, np.tile(X, (1, 2, 1, 3))),
        ("shape", {}, np.array([2, 3, 4, 6])),
        ("crop", {"crop_height": [1, 0], "crop_width": [2, 3]}, X[..., 1:, 2:3]),
        ("band_part", {"lower": 1, "upper": 0}, np.tril(X) - np.tril(X, -2)),
        ("band_part", {"lower": -1, "upper": 1}, np.tril(X, 1)),
        ("sliding_windows", {"axis": -2, "size": 3}, np.stack([X[:, :, 0:3], X[:, :, 1:4]], 2)),
        ("sliding_windows", {"axis": 3, "size": 2, "stride": 2}, X.reshape(2, 3, 4, 3, 2)),
    ],
)
def test_shapes(name, arguments, expected):
    check(run(name, **arguments), expected)


def test_squeeze_ignores_longer_axes_and_takes_all_by_default():
    assert run("squeeze", x=X[:1, :, :1], axes=[0, 1]).shape == (3, 1, 6)
    assert run("squeeze", x=X[:1, :, :1]).shape == (3, 6)


def test_concat_can_interleave():
    values = (torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([[7, 8], [9, 10], [11, 12]]))
    assert TABLE["concat"](values=values, axis=0).tolist() == [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
        [9, 10],
        [11, 12],
    ]
    interleaved = TABLE["concat"](values=values, axis=-2, interleave=True)
    assert interleaved.tolist() == [[1, 2], [7, 8], [3, 4], [9, 10], [5, 6], [11, 12]]
    assert TABLE["stack"](values=values, axis=-1).shape == (3, 2, 2)


def test_split():
    check(run("split", axis=1, num_splits=3)[1], X[:, 1:2])
    parts = run("split", axis=-1, split_sizes=[1, 3, 2], num_splits=3)
    assert [part.shape[-1] for part in parts] == [1, 3, 2]
    check(parts[2], X[..., 4:])
    with pytest.raises(ValueError, match="do not make up 6"):
        run("split", axis=-1, num_splits=4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0, 5, 2), [0, 2, 4]), ((5, 0, -2), [5, 3, 1]), ((0.0, 1.0, 0.25), [0, 0.25, 0.5, 0.75])],
)
def test_ranges(arguments, expected):
    start, end, step = map(torch.tensor, arguments)
    assert TABLE["range_1d"](start=start, end=end, step=step).tolist() == expected


def test_fills():
    assert TABLE["fill"](shape=[2, 3], value=torch.tensor(7)).tolist() == [[7] * 3] * 2
    assert TABLE["fill"](shape=[2]).tolist() == [0, 0]
    assert TABLE["fill_like"](ref_tensor=torch.zeros(1, 2), value=torch.tensor(True)).tolist() == [[True] * 2]


def test_depth_and_space_orders_differ():
    channels = torch.arange(8.0).reshape(1, 8, 1, 1)
    # depth_to_space counts blocks first, pixel_shuffle channels first
    assert TABLE["depth_to_space"](x=channels, block_size=2).tolist() == [
        [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]
    ]
    assert TABLE["pixel_shuffle"](x=channels, upscale_factor=2).tolist() == [
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    ]


@pytest.mark.parametrize(
    ("there", "back", "argument", "other"),
    [("depth_to_space", "space_to_depth", "block_size", "block_size"),
     ("pixel_shuffle", "pixel_unshuffle", "upscale_factor", "downscale_factor")],
)  # fmt: skip
def test_space_rearrangements_invert_each_other(there, back, argument, other):
    image = torch.rand(2, 3, 4, 6)
    depth = TABLE[back](x=image, **{other: 2})
    assert depth.shape == (2, 12, 2, 3)
    assert torch.equal(TABLE[there](x=depth, **{argument: 2}), image)


def test_space_to_batch_order_padding_and_inverse():
    image = torch.arange(2.0 * 4 * 6).reshape(2, 1, 4, 6)
    batch = TABLE["space_to_batch"](x=image, block_shape=[2, 3], paddings=[0, 0, 1, 2])
    assert batch.shape == (12, 1, 2, 3)
    padded = torch.nn.functional.pad(image, (1, 2, 0, 0))
    for i in range(2):
        for j in range(3):
            block = padded[:, :, i::2, j::3]
            assert torch.equal(batch[(i * 3 + j) * 2 : (i * 3 + j) * 2 + 2], block)
    back = TABLE["batch_to_space"](x=batch, block_shape=[2, 3], crops=[0, 0, 1, 2])
    assert torch.equal(back, image)
