"""Recurrent layers against PyTorch's, and the GRU against its formula."""

import pytest
import torch
from torch import nn

from pipersr_build.mil.ops import TABLE

X = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0))
H, C = torch.rand(2, 2, 8, generator=torch.Generator().manual_seed(1)).unbind()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def ifoz(tensor):
    """PyTorch's gate order (input, forget, cell, output) in MIL's."""
    i, f, z, o = tensor.chunk(4)
    return torch.cat([i, f, o, z])


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("whole", [True, False])
def test_rnn(direction, whole):
    layer = nn.RNN(3, 4).requires_grad_(False)
    steps = X if direction == "forward" else X.flip(0)
    states, last = layer(steps, H[None, :, :4])
    result = TABLE["rnn"](
        x=X, initial_h=H[:, :4], weight_ih=layer.weight_ih_l0, weight_hh=layer.weight_hh_l0,
        bias=layer.bias_ih_l0 + layer.bias_hh_l0, direction=direction, output_sequence=whole,
    )  # fmt: skip
    torch.testing.assert_close(result, (states if whole else states[-1:], last[0]))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("whole", [True, False])
def test_lstm(direction, whole):
    layer = nn.LSTM(3, 4).requires_grad_(False)
    steps = X if direction == "forward" else X.flip(0)
    states, (hidden, cell) = layer(steps, (H[None, :, :4], C[None, :, :4]))
    result = TABLE["lstm"](
        x=X, initial_h=H[:, :4], initial_c=C[:, :4], weight_ih=ifoz(layer.weight_ih_l0),
        weight_hh=ifoz(layer.weight_hh_l0), bias=ifoz(layer.bias_ih_l0 + layer.bias_hh_l0),
        direction=direction, output_sequence=whole,
    )  # fmt: skip
    torch.testing.assert_close(result, (states if whole else states[-1:], hidden[0], cell[0]))


@pytest.mark.parametrize("whole", [True, False])
def test_bidirectional_lstm(whole):
    layer = nn.LSTM(3, 4, bidirectional=True).requires_grad_(False)
    initial = [torch.stack(value.chunk(2, dim=-1)) for value in (H, C)]
    states, (hidden, cell) = layer(X, tuple(initial))
    result = TABLE["lstm"](
        x=X, initial_h=H, initial_c=C, weight_ih=ifoz(layer.weight_ih_l0), weight_hh=ifoz(layer.weight_hh_l0),
        bias=ifoz(layer.bias_ih_l0 + layer.bias_hh_l0), weight_ih_back=ifoz(layer.weight_ih_l0_reverse),
        weight_hh_back=ifoz(layer.weight_hh_l0_reverse),
        bias_back=ifoz(layer.bias_ih_l0_reverse + layer.bias_hh_l0_reverse), direction="bidirectional",
        output_sequence=whole,
    )  # fmt: skip
    last = torch.cat([states[-1:, :, :4], states[:1, :, 4:]], dim=-1)
    expected = (states if whole else last, torch.cat([*hidden], -1), torch.cat([*cell], -1))
    torch.testing.assert_close(result, expected)


def test_lstm_peepholes_and_clip():
    weights = torch.randn(16, 3), torch.randn(16, 4)
    peep = torch.randn(12)
    i, f, o, z = (X[0] @ weights[0].T + H[:, :4] @ weights[1].T).chunk(4, dim=-1)
    cell = C[:, :4]
    new = torch.sigmoid(f + cell * peep[4:8]) * cell + torch.sigmoid(i + cell * peep[:4]) * torch.tanh(z)
    new = new.clamp(-0.2, 0.2)
    hidden = torch.sigmoid(o + new * peep[8:]) * torch.relu(new)
    result = TABLE["lstm"](
        x=X[:1], initial_h=H[:, :4], initial_c=cell, weight_ih=weights[0], weight_hh=weights[1],
        peephole=peep, activation="relu", clip=0.2,
    )  # fmt: skip
    torch.testing.assert_close(result, (hidden[None], hidden, new))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_gru(direction):
    into, over, bias = torch.randn(12, 3), torch.randn(12, 4), torch.randn(12)
    hidden, states = H[:, :4], []
    for step in X if direction == "forward" else X.flip(0):
        reset, output, update = (step @ into.T + bias).chunk(3, dim=-1)
        r = torch.sigmoid(reset + hidden @ over[:4].T)
        z = torch.sigmoid(update + hidden @ over[8:].T)
        o = torch.tanh(output + (r * hidden) @ over[4:8].T)
        hidden = (1 - z) * o + z * hidden
        states.append(hidden)
    result = TABLE["gru"](
        x=X, initial_h=H[:, :4], weight_ih=into, weight_hh=over, bias=bias, direction=direction,
        output_sequence=True,
    )  # fmt: skip
    torch.testing.assert_close(result, (torch.stack(states), hidden))


def test_gru_with_the_reset_after_the_product_is_pytorchs():
    layer = nn.GRU(3, 4).requires_grad_(False)
    states, last = layer(X, H[None, :, :4])

    def roz(tensor):
        """PyTorch's gate order (reset, update, output) in MIL's."""
        r, z, o = tensor.chunk(3)
        return torch.cat([r, o, z])

    result = TABLE["gru"](
        x=X, initial_h=H[:, :4], weight_ih=roz(layer.weight_ih_l0), weight_hh=roz(layer.weight_hh_l0),
        bias=roz(layer.bias_hh_l0), input_bias=roz(layer.bias_ih_l0), reset_after=True, output_sequence=True,
    )  # fmt: skip
    torch.testing.assert_close(result, (states, last[0]))
