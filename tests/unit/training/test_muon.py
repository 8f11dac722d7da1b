import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipersr_build.training.muon import COEFFICIENTS, ITERATIONS, Muon, orthogonalise


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
def test_singular_values_end_near_one(seed, size):
    made = orthogonalise(size * rand(2, 64, 576, seed=seed))
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_it_is_the_published_iteration():
    a, b, c = COEFFICIENTS
    matrices = rand(3, 8, 20).double()
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    torch.testing.assert_close(orthogonalise(matrices), x, rtol=1e-6, atol=1e-7)


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 2, 3))


def groups(net, orthogonal):
    hidden = [net[1].weight]
    rest = [p for p in net.parameters() if p is not net[1].weight]
    return [{"params": hidden, "orthogonal": orthogonal, "weight_decay": 0.0}, {"params": rest}]


def take(net, optimizer, steps, first=0):
    for step in range(first, first + steps):
        optimizer.zero_grad()
        net(rand(2, 3, 9, 9, seed=step)).square().mean().backward()
        optimizer.step()


COMMON = {"lr": 1e-2, "betas": (0.9, 0.99), "fused": True}


def test_groups_that_are_not_orthogonal_are_adams_bit_for_bit():
    ours, theirs = network(), network()
    take(ours, Muon(groups(ours, orthogonal=False), **COMMON), 5)
    take(theirs, torch.optim.Adam(theirs.parameters(), **COMMON), 5)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_an_update_has_adams_size_and_nesterovs_direction():
    net = network()
    kernel = net[1].weight
    before = kernel.detach().clone()
    optimizer = Muon(groups(net, orthogonal=True), momentum=0.9, **COMMON)
    take(net, optimizer, 1)
    look_ahead = 0.1 * kernel.grad + 0.9 * (0.1 * kernel.grad)
    expected = orthogonalise(look_ahead.flatten(1)[None])[0] * 0.2 * 72**0.5
    torch.testing.assert_close((before - kernel).detach().flatten(1), 1e-2 * expected, rtol=1e-3, atol=1e-6)
    assert (before - kernel).square().mean().sqrt().item() == pytest.approx(1e-2 * 0.2, rel=0.3)


def test_weights_decay_and_kernels_with_more_rows_than_columns_work():
    kernel = nn.Parameter(rand(20, 2, 1, 1))
    before = kernel.detach().clone()
    optimizer = Muon([{"params": [kernel], "orthogonal": True, "weight_decay": 0.5}], lr=1e-2)
    kernel.grad = torch.zeros_like(kernel)
    optimizer.step()
    torch.testing.assert_close(kernel.detach(), before * (1 - 1e-2 * 0.5))


@pytest.mark.parametrize("kind", ["copied", "saved"])
def test_going_on_from_a_saved_state_is_going_on(kind, tmp_path):
    whole = network()
    optimizer = Muon(groups(whole, orthogonal=True), **COMMON)
    take(whole, optimizer, 3)
    state = (copy.deepcopy(whole.state_dict()), copy.deepcopy(optimizer.state_dict()))
    if kind == "saved":
        torch.save(state, tmp_path / "state")
        state = torch.load(tmp_path / "state", weights_only=True)
    resumed = network()
    resumed.load_state_dict(state[0])
    other = Muon(groups(resumed, orthogonal=True), **COMMON)
    other.load_state_dict(state[1])
    take(whole, optimizer, 3, first=3)
    take(resumed, other, 3, first=3)
    for mine, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_closure_is_called_once_with_gradients_on():
    net = network()
    optimizer = Muon(groups(net, orthogonal=True), **COMMON)
    calls = []

    def closure():
        loss = net(rand(1, 3, 9, 9)).square().mean()
        loss.backward()
        calls.append(loss)
        return loss

    assert optimizer.step(closure) is calls[0]
    assert len(calls) == 1
    assert len(optimizer.param_groups) == 2
