import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from pipersr_build import quiet
from pipersr_build.export import equivalents
from pipersr_build.export.refusals import ConversionError, naming_the_operation
from pipersr_build.export.static import StaticTracing, inlined_functions


def kinds(forward, size=(8, 8)):
    """The kinds of operations in a static trace of `forward`, after checking that it computes the same."""

    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with StaticTracing([x]), inlined_functions():
                return forward(x)

    with quiet.conversion(), torch.no_grad():
        traced = torch.jit.trace(Network(), torch.rand(1, 2, *size), check_trace=False)
    x = torch.rand(1, 2, *size)
    assert torch.equal(traced(x), forward(x.clone()))
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
    axis = data.draw(st.integers(0, len(shape) - 1))
    first = data.draw(st.integers(0, shape[axis] - 1))
    last = data.draw(st.integers(first + 1, shape[axis]))
    index = (slice(None),) * axis + (slice(first, last),)
    x, part = torch.rand(shape), torch.rand([*shape[:axis], last - first, *shape[axis + 1 :]])
    if (first, last) == (0, shape[axis]):
        assert not equivalents.is_part(x, index, part)
        return
    assert equivalents.is_part(x, index, part)
    expected = x.clone()
    expected[index] = part
    assert torch.equal(equivalents.joined(x, index, part), expected)


@pytest.mark.parametrize(
    "index", [0, (slice(None), 1), slice(0, 4, 2), (slice(0, 1), slice(0, 1)), (None, 0)]
)
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
