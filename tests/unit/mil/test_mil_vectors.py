"""A number's result must not depend on where in memory it lies, nor on how threads share the work."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.mil.ops import TABLE, writing
from pipersr_build.mil.ops.vectors import _GRAIN, _UNIT, _whole

NUMBERS = torch.randn(3 * _GRAIN, generator=torch.Generator().manual_seed(0)) * 4
PARAMETERS = {
    "silu": {},
    "sigmoid": {},
    "tanh": {},
    "softplus": {},
    "elu": {"alpha": 1.0},
    "gelu": {"mode": "SIGMOID_APPROXIMATION"},
    "scaled_tanh": {"alpha": 1.0, "beta": 0.5},
}


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@given(start=st.integers(0, 200), count=st.integers(1, 2 * _GRAIN + 300), threads=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_number_gives_the_same_wherever_it_lies(name, dtype, start, count, threads):
    torch.set_num_threads(1)
    whole = TABLE[name](x=NUMBERS.to(dtype), **PARAMETERS[name])
    torch.set_num_threads(threads)
    part = TABLE[name](x=NUMBERS[start : start + count].to(dtype), **PARAMETERS[name])
    assert torch.equal(part, whole[start : start + count])


@pytest.mark.parametrize("name", ["silu", "sigmoid", "tanh"])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_what_is_written_is_what_is_returned(name, order):
    x = NUMBERS[: 2 * 5 * 7 * 3].view(2, 5, 7, 3).contiguous(memory_format=order)
    wanted = TABLE[name](x=x)
    for out in (torch.empty_like(x), torch.empty(x.shape), x.clone()):
        writing.TABLE[name].write(x=x, out=out)
        assert torch.equal(out, wanted)
    overwritten = x.clone()
    writing.TABLE[name].write(x=overwritten, out=overwritten)
    assert torch.equal(overwritten, wanted)


def test_a_view_of_every_second_number():
    x = NUMBERS[:100].view(10, 10)[:, ::2]
    assert torch.equal(TABLE["silu"](x=x), TABLE["silu"](x=x.contiguous()))
    assert TABLE["silu"](x=torch.empty(0, 3)).shape == (0, 3)


@given(count=st.integers(0, 10 * _GRAIN), threads=st.integers(1, 16))
@settings(max_examples=50, deadline=None)
def test_every_share_of_a_thread_is_of_whole_vectors(count, threads):
    torch.set_num_threads(threads)
    whole = _whole(count)
    shares = min(threads, -(-whole // _GRAIN))
    assert 0 <= count - whole < 2 * threads * _UNIT
    assert whole == 0 or whole % (shares * _UNIT) == 0
