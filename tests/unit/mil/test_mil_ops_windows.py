"""Convolution and pooling: padding rules against sums written out."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.mil.ops import TABLE
from pipersr_build.mil.ops.padding import amounts

RNG = np.random.default_rng(0)


def windows(x, kernel, strides, pads, dilations=(1, 1), fill=0.0):
    """All windows of x (B, C, H, W): B, C, H', W', kh, kw."""
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(2, 3))
    return views[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_same_padding_gives_the_input_size_divided_by_the_stride(size, kernel, stride, dilation):
    ((before, after),) = amounts("same", None, [size], [kernel], [stride], [dilation])
    span = (kernel - 1) * dilation + 1
    assert (size + before + after - span) // stride + 1 == -(-size // stride)
    assert before <= after <= before + 1
    assert amounts("same_lower", None, [size], [kernel], [stride], [dilation]) == [(after, before)]


PADS = {
    "valid": [(0, 0), (0, 0)],
    "same": [(0, 1), (1, 2)],
    "same_lower": [(1, 0), (2, 1)],
    "custom": [(2, 0), (1, 3)],
}


@pytest.mark.parametrize("pad_type", PADS)
@pytest.mark.parametrize("groups", [1, 2])
def test_convolution(pad_type, groups):
    x, weight = RNG.standard_normal((2, 4, 7, 8)), RNG.standard_normal((6, 4 // groups, 2, 4))
    bias, strides = RNG.standard_normal(6), [1, 1]
    view = windows(x, (2, 4), strides, PADS[pad_type])
    parts = np.split(view, groups, axis=1), np.split(weight, groups)
    sums = [np.einsum("bchwij,ocij->bohw", *pair) for pair in zip(*parts, strict=True)]
    result = TABLE["conv"](
        x=torch.from_numpy(x), weight=torch.from_numpy(weight), bias=torch.from_numpy(bias), strides=strides,
        pad_type=pad_type, pad=[2, 0, 1, 3] if pad_type == "custom" else [0] * 4, groups=groups,
    )  # fmt: skip
    np.testing.assert_allclose(result, np.concatenate(sums, 1) + bias.reshape(-1, 1, 1))


def test_convolution_with_strides_and_dilations():
    x, weight = RNG.standard_normal((1, 2, 11, 12)), RNG.standard_normal((3, 2, 3, 2))
    view = windows(x, (3, 2), (2, 3), [(1, 0), (0, 2)], (2, 4))
    result = TABLE["conv"](
        x=torch.from_numpy(x), weight=torch.from_numpy(weight), strides=[2, 3], pad_type="custom",
        pad=[1, 0, 0, 2], dilations=[2, 4],
    )  # fmt: skip
    np.testing.assert_allclose(result, np.einsum("bchwij,ocij->bohw", view, weight))


def whole_transpose(x, weight, strides, groups):
    """The uncropped transposed convolution, one input pixel at a time."""
    batch, channels, height, width = x.shape
    kh, kw = weight.shape[2:]
    out = np.zeros(
        (batch, weight.shape[1] * groups, (height - 1) * strides[0] + kh, (width - 1) * strides[1] + kw)
    )
    each = channels // groups
    for c, i, j in itertools.product(range(channels), range(height), range(width)):
        first = c // each * weight.shape[1]
        top, left = i * strides[0], j * strides[1]
        stamp = x[:, c, i, j].reshape(-1, 1, 1, 1) * weight[c]
        out[:, first : first + weight.shape[1], top : top + kh, left : left + kw] += stamp
    return out


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("arguments", "rows", "columns"),
    [
        ({"pad_type": "valid"}, (0, 13), (0, 12)),
        ({"pad_type": "custom", "pad": [1, 2, 0, 1]}, (1, 11), (0, 11)),
        ({"pad_type": "same"}, (0, 12), (0, 10)),
        ({"pad_type": "same_lower"}, (1, 13), (2, 12)),
        ({"pad_type": "custom", "pad": [1, 1, 1, 1], "output_shape": [2, 6, 12, 11]}, (1, 13), (1, 12)),
        ({"pad_type": "valid", "output_shape": [2, 6, 15, 12]}, (0, 15), (0, 12)),
    ],
)
def test_transposed_convolution(groups, arguments, rows, columns):
    x, weight = RNG.standard_normal((2, 4, 4, 5)), RNG.standard_normal((4, 6 // groups, 4, 4))
    bias = RNG.standard_normal(6)
    whole = np.pad(whole_transpose(x, weight, (3, 2), groups), [(0, 0), (0, 0), (0, 3), (0, 3)])
    expected = whole[:, :, slice(*rows), slice(*columns)] + bias.reshape(-1, 1, 1)
    if arguments["pad_type"] == "same":
        expected = whole[:, :, 0:12, 1:11] + bias.reshape(-1, 1, 1)
    if arguments["pad_type"] == "same_lower":
        expected = whole[:, :, 1:13, 1:11] + bias.reshape(-1, 1, 1)
    result = TABLE["conv_transpose"](
        x=torch.from_numpy(x), weight=torch.from_numpy(weight), bias=torch.from_numpy(bias), strides=[3, 2],
        groups=groups, **arguments,
    )  # fmt: skip
    np.testing.assert_allclose(result, expected)


@pytest.mark.parametrize("pad_type", PADS)
@pytest.mark.parametrize("strides", [[1, 1], [2, 3]])
def test_pooling(pad_type, strides):
    x = RNG.standard_normal((1, 2, 7, 8))
    pads = [
        *amounts(pad_type, [2, 0, 1, 3] if pad_type == "custom" else None, [7, 8], [2, 4], strides, [1, 1])
    ]
    common = {"x": torch.from_numpy(x), "kernel_sizes": [2, 4], "pad_type": pad_type, "strides": strides,
              "pad": [2, 0, 1, 3]}  # fmt: skip
    view = windows(x, (2, 4), strides, pads)
    counts = windows(np.ones_like(x), (2, 4), strides, pads).sum((-1, -2))
    # a window that lies wholly in the padding has no mean without it, and no largest element
    covered = counts > 0
    np.testing.assert_allclose(TABLE["avg_pool"](**common), view.mean((-1, -2)))
    excluded = TABLE["avg_pool"](**common, exclude_padding_from_average=True).numpy()
    np.testing.assert_allclose(excluded[covered], view.sum((-1, -2))[covered] / counts[covered])
    np.testing.assert_allclose(TABLE["l2_pool"](**common), np.sqrt((view**2).sum((-1, -2))))
    largest = windows(x, (2, 4), strides, pads, fill=-np.inf).max((-1, -2))
    np.testing.assert_array_equal(TABLE["max_pool"](**common), largest)


def test_pooling_of_one_axis():
    x = RNG.standard_normal((1, 2, 9))
    view = np.lib.stride_tricks.sliding_window_view(x, 3, axis=2)[:, :, ::2]
    common = {"x": torch.from_numpy(x), "kernel_sizes": [3], "pad_type": "valid", "strides": [2]}
    np.testing.assert_allclose(TABLE["l2_pool"](**common), np.sqrt((view**2).sum(-1)))
    np.testing.assert_allclose(TABLE["avg_pool"](**common), view.mean(-1))


def test_ceil_mode_counts_the_last_partial_window():
    x = torch.arange(5.0).reshape(1, 1, 5)
    common = {"x": x, "kernel_sizes": [2], "pad_type": "valid", "strides": [2], "ceil_mode": True}
    assert TABLE["max_pool"](**common).flatten().tolist() == [1, 3, 4]
    assert TABLE["avg_pool"](**common).flatten().tolist() == [0.5, 2.5, 4]


@pytest.mark.parametrize("pad_type", ["SAME", "full"])
def test_an_unknown_pad_type_is_refused(pad_type):
    with pytest.raises(ValueError, match="pad_type"):
        TABLE["max_pool"](x=torch.zeros(1, 1, 4), kernel_sizes=[2], pad_type=pad_type)


LAYERS = [(3, 6, 1), (6, 6, 1), (28, 28, 1), (32, 32, 1), (16, 16, 16), (12, 3, 3)]


@pytest.mark.parametrize(("channels", "made", "groups"), LAYERS)
def test_a_piece_of_a_picture_is_convolved_to_the_bit_as_the_whole(channels, made, groups):
    generator = torch.Generator().manual_seed(0)
    whole = torch.rand(1, channels, 70, 70, generator=generator)
    weight = torch.randn(made, channels // groups, 3, 3, generator=generator)
    bias = torch.randn(made, generator=generator)

    def convolved(x):
        return TABLE["conv"](x=x, weight=weight, bias=bias, pad_type="same", groups=groups)

    expected = convolved(whole)
    for top, left, size in [(0, 0, 24), (7, 3, 24), (40, 46, 24), (30, 1, 9), (5, 11, 33)]:
        piece = convolved(whole[:, :, top : top + size, left : left + size])
        inner = expected[:, :, top + 1 : top + size - 1, left + 1 : left + size - 1]
        assert torch.equal(piece[:, :, 1:-1, 1:-1], inner), (top, left, size)
