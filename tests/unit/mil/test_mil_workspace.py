import torch

from pipersr_build.mil.values import memory
from pipersr_build.mil.workspace import Workspace

SHAPE = 1, 4, 6, 5


def test_memory_is_taken_again_once_its_last_value_is_released():
    workspace = Workspace()
    first = workspace.take(SHAPE, torch.float32)
    values = {"a": first, "view": first[:, :2]}
    for name, value in values.items():
        workspace.hold(name, value)
    workspace.release(values, ["a"])
    second = workspace.take(SHAPE, torch.float32)
    assert memory(second) != memory(first)
    workspace.release(values, ["view"])
    assert values == {}
    assert memory(workspace.take((2, 2, 6, 5), torch.float32)) == memory(first)


def test_another_size_or_type_gets_other_memory():
    workspace = Workspace()
    taken = [workspace.take(SHAPE, torch.float32)]
    workspace.clear()
    taken += [workspace.take((1, 4, 6, 6), torch.float32), workspace.take(SHAPE, torch.bfloat16)]
    assert len({memory(value) for value in taken}) == 3


def kept(workspace):
    """How many elements each of the buffers has that would be used again."""
    return sorted(buffer.numel() for buffer in workspace._free)


def test_only_what_the_last_run_has_taken_is_kept():
    workspace = Workspace()
    for height in (5, 6, 7):
        values = {"a": workspace.take((1, 4, height, 5), torch.float32)}
        workspace.hold("a", values["a"])
        workspace.take((1, 4, height, 9), torch.float32)
        workspace.release(values, ["a"])  # free again, but taken
        workspace.clear()
        assert kept(workspace) == [20 * height, 36 * height]


def test_four_axes_come_in_the_order_of_convolutions_unless_like_another():
    workspace = Workspace()
    assert workspace.take(SHAPE, torch.float32).is_contiguous(memory_format=torch.channels_last)
    assert workspace.take(SHAPE, torch.float32, like=torch.empty(SHAPE)).is_contiguous()
    assert workspace.take((3, 4), torch.float32).shape == (3, 4)


def test_only_a_whole_buffer_of_one_value_is_filled_alone():
    workspace = Workspace()
    value = workspace.take(SHAPE, torch.float32)
    workspace.hold("a", value)
    assert workspace.fills_alone("a", value)
    assert not workspace.fills_alone("a", value[:, :2])
    assert not workspace.fills_alone("a", torch.empty(SHAPE))
    workspace.hold("b", value[:, :2])
    assert not workspace.fills_alone("a", value)


def test_settling_rounds_once_and_forgetting_goes_with_the_value():
    workspace = Workspace()
    value = workspace.take(SHAPE, torch.float32).fill_(0.1)
    workspace.hold("a", value)
    workspace.settle(value)
    assert (value == torch.tensor(0.1)).all()
    workspace.unrounded.add(memory(value))
    workspace.settle(value)
    assert torch.equal(value, value.half().float())
    assert not workspace.unrounded
    workspace.unrounded.add(memory(value))
    workspace.release({"a": value}, ["a"])
    assert not workspace.unrounded
