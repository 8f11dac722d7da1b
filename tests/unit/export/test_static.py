import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from pipersr_build import quiet
from pipersr_build.export import attention, equivalents, tiles
from pipersr_build.export.refusals import ConversionError, naming_the_operation
from pipersr_build.export.static import StaticTracing, inlined_functions


def kinds(forward, size=(8, 8), exact=True):
    """The kinds of operations in a static trace of `forward`, after checking that it computes the same."""

    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with StaticTracing([x]), inlined_functions():
                return forward(x)

    with quiet.conversion(), torch.no_grad():
        traced = torch.jit.trace(Network(), torch.rand(1, 2, *size), check_trace=False)
    x = torch.rand(1, 2, *size)
    tolerance = 0 if exact else 1e-6
    torch.testing.assert_close(traced(x), forward(x.clone()), rtol=tolerance, atol=tolerance)
    return [
        node.kind().removeprefix("aten::") for node in traced.inlined_graph.nodes() if "aten" in node.kind()
    ]


def test_sizes_are_constants():
    assert kinds(lambda x: x.view(x.shape[0], x.size(1), x.shape[2] * x.shape[3]).mean(2)) == ["view", "mean"]


def test_what_is_made_of_sizes_is_a_constant():
    def masked(x: Tensor) -> Tensor:
        mask = torch.zeros(1, 1, *x.shape[-2:])
        for number, rows in enumerate((slice(0, 3), slice(3, None))):
            mask[:, :, rows] = number
        index = torch.arange(x.shape[-1]).flip(0)
        return x * mask + mask[..., index]

    assert kinds(masked) == ["mul", "add"]


def test_what_is_made_of_weights_is_a_constant():
    table, index = torch.rand(5, 8), torch.tensor([0, 4, 2, 2, 1, 0, 3, 3])
    assert kinds(lambda x: x + table[index].softmax(-1).view(1, 1, 8, 8)) == ["add"]


def test_what_a_picture_was_written_into_is_no_constant():
    def written(x: Tensor) -> Tensor:
        canvas = torch.ones(1, 2, 8, 8)
        canvas.add_(x)
        canvas[:, :1] = x[:, 1:]
        return canvas * 2

    assert "mul" in kinds(written)


def test_a_part_of_a_constant_that_a_picture_is_written_into_is_refused():
    def written(x: Tensor) -> Tensor:
        canvas = torch.ones(1, 2, 8, 8)
        canvas[:, :1].add_(x[:, 1:])
        return canvas * 2

    with pytest.raises(NotImplementedError, match="part of a constant"):
        kinds(written)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda x: torch.roll(x, (2, -3), (2, 3)), {"narrow", "cat"}),
        (lambda x: F.pad(x, (-1, -2, 3, 0)), {"narrow", "pad"}),
        (lambda x: F.pad(x, (-1, -2, -3, 0)), {"narrow"}),
    ],
)
def test_equivalents_stand_in_the_trace(forward, expected):
    assert set(kinds(forward)) == expected


def test_a_part_that_is_replaced_becomes_a_concatenation():
    def replaced(x: Tensor) -> Tensor:
        y = x * 1
        y[:, :1] = torch.sin(y[:, 1:])
        y[..., 2:5] = y[..., 3:6] * 2
        return y + 1

    found = kinds(replaced)
    assert found.count("cat") == 2
    assert "copy_" not in found


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(_ctx, gradient):
        return gradient * 2


def test_functions_with_their_own_gradient_are_looked_into():
    assert kinds(lambda x: Doubled.apply(x)) == ["mul"]
    x = torch.ones(1, requires_grad=True)
    Doubled.apply(x).backward()
    assert x.grad.item() == 2


shapes = st.lists(st.integers(1, 6), min_size=2, max_size=4)


@given(shape=shapes, data=st.data())
def test_roll_is_roll(shape, data):
    x = torch.arange(torch.Size(shape).numel()).reshape(shape)
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=3))
    shifts = [data.draw(st.integers(-9, 9)) for _ in axes]
    assert torch.equal(equivalents.roll(x, shifts, axes), torch.roll(x, shifts, axes))
    assert torch.equal(equivalents.roll(x, shifts[0], axes[0]), torch.roll(x, shifts[0], axes[0]))
    assert torch.equal(equivalents.roll(x, shifts[0]), torch.roll(x, shifts[0]))


@given(shape=shapes, data=st.data())
def test_crop_and_pad_is_pad(shape, data):
    pad = [data.draw(st.integers(-3, 3)) for _ in range(2 * data.draw(st.integers(1, len(shape))))]
    assume(all(shape[-1 - i // 2] + pad[i] + pad[i + 1] > 0 for i in range(0, len(pad), 2)))
    assume(all(shape[-1 - i // 2] + min(0, pad[i]) + min(0, pad[i + 1]) > 0 for i in range(0, len(pad), 2)))
    x = torch.rand(shape)
    assert torch.equal(equivalents.crop_and_pad(x, pad, "constant", 7.0), F.pad(x, pad, "constant", 7.0))


@given(shape=shapes, data=st.data())
def test_joined_is_the_assignment(shape, data):
    firsts = [data.draw(st.integers(0, extent - 1)) for extent in shape]
    lasts = [data.draw(st.integers(first + 1, n)) for first, n in zip(firsts, shape, strict=True)]
    given_axes = data.draw(st.integers(1, len(shape)))
    index = tuple(slice(first, last) for first, last in zip(firsts, lasts, strict=True))[:given_axes]
    x = torch.rand(shape)
    part = torch.rand_like(x[index])
    assert equivalents.is_part(x, index, part)
    expected = x.clone()
    expected[index] = part
    found = equivalents.joined(x, index, part)
    part.zero_()  # what was assigned is a copy
    assert torch.equal(found, expected)


@st.composite
def windows(draw):
    """H, W and window edges of whole steps, where the windows cover H x W."""
    step = draw(st.integers(1, 3))
    high, wide = (step * draw(st.integers(1, 3)) for _ in range(2))
    height, width = (edge + step * draw(st.integers(0, 3)) for edge in (high, wide))
    return (height, width), (high, wide), step


@given(case=windows(), rest=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_unfold_and_fold_are_pytorchs(case, rest):
    size, edges, step = case
    larger = tuple(n + min(more, step - 1) for n, more in zip(size, rest, strict=True))
    x = torch.rand(2, 3, *larger, dtype=torch.float64)
    assert tiles.unfolds(x, edges, stride=step)
    assert torch.equal(tiles.unfold(x, edges, stride=step), F.unfold(x, edges, stride=step))
    parts = F.unfold(x, edges, stride=step)
    assert tiles.folds(parts, larger, edges, stride=step)
    expected = F.fold(parts, larger, edges, stride=step)
    torch.testing.assert_close(tiles.fold(parts, larger, edges, stride=step), expected)


def test_windows_of_other_kinds_are_left_alone():
    x = torch.rand(1, 2, 8, 8)
    assert tiles.unfolds(x, 4, stride=2)
    for settings in (
        {"stride": 3},
        {"stride": (2, 4)},
        {"stride": 2, "padding": 1},
        {"stride": 2, "dilation": 2},
    ):
        assert not tiles.unfolds(x, 4, **settings)
        assert not tiles.folds(x[0], 8, 4, **settings)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("asked", [{"need_weights": False}, {}, {"average_attn_weights": False}])
def test_attention_is_pytorchs(bias, asked):
    layer = nn.MultiheadAttention(6, 2, bias=bias).eval().double()
    query, memory = torch.rand(5, 3, 6, dtype=torch.float64), torch.rand(4, 3, 6, dtype=torch.float64)
    called = [layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0,
              layer.out_proj.weight, layer.out_proj.bias]  # fmt: skip
    args = [query, memory, memory, 6, 2, *called]
    assert attention.is_plain(*args, training=False, **asked)
    found = attention.attention(*args, training=False, **asked)
    for one, other in zip(found, layer(query, memory, memory, **asked), strict=True):
        torch.testing.assert_close(one, other)
    assert not attention.is_plain(*args, training=False, attn_mask=torch.zeros(5, 4))
    assert not attention.is_plain(*args, training=False, is_causal=True)


def test_attention_and_windows_in_a_trace_ask_for_no_size():
    layer = nn.MultiheadAttention(8, 2).eval().requires_grad_(False)

    def forward(x: Tensor) -> Tensor:
        parts = F.unfold(x, 4, stride=2).permute(2, 0, 1)[..., :8]
        mixed = layer(parts, parts, parts, need_weights=False)[0]
        return F.fold(mixed.permute(1, 2, 0), (6, 6), 2, stride=2)

    found = kinds(forward, exact=False)
    assert {"pixel_unshuffle", "pixel_shuffle", "softmax"} <= set(found)
    assert not {"im2col", "col2im", "size", "Int"} & set(found)


@pytest.mark.parametrize("index", [0, (slice(None), 1), slice(0, 4, 2), (None, 0), slice(3, 3)])
def test_other_assignments_are_left_alone(index):
    assert not equivalents.is_part(torch.rand(4, 4), index, torch.rand(4, 4))


@pytest.mark.parametrize(
    ("said", "operation"),
    [
        ("PyTorch convert function for op 'frobnicate' not implemented.", "frobnicate"),
        ("node 126 (sort) got 4 input(s), expected [3]", "sort"),
        ('only rank <= 5. Layer "op_1", with type "reshape", outputs a rank 6 tensor', "reshape"),
        ("no idea", "unknown"),
    ],
)
def test_a_failed_conversion_names_the_operation(said, operation):
    match = f"operation {operation} stands in the way"
    with pytest.raises(ConversionError, match=match) as error, naming_the_operation("net"):
        raise ValueError(said)
    assert error.value.operation == operation
    assert error.value.exit_code == 1
