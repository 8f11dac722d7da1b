"""Recurrent layers over x (steps, B, I), computed step by step in float32.

Returns of all: the hidden states of every step, or of the last one only, and the final states. A
layer that runs in `reverse` gives its states in the order in which it computes them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ops.arguments import Tensors, one_of

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "scaled_tanh": torch.tanh,  # its scales cannot be given, and are 1
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp_(0, 1),
    "sigmoid_hard": lambda x: (0.2 * x + 0.5).clamp_(0, 1),
    "relu": torch.relu,
    "linear": lambda x: x,
}


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    return one_of("activation", name, _ACTIVATIONS)


def _steps(x: Tensor, direction: str) -> Tensor:
    return one_of("direction", direction, {"forward": x, "reverse": x.flip(0)})


def rnn(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    activation: str = "tanh",
) -> Tensors:
    """`h` = activation(W_ih·x + W_hh·h + bias)."""
    act, hidden, states = _activation(activation), initial_h, []
    for step in F.linear(_steps(x, direction), weight_ih, bias):
        hidden = act(step + hidden @ weight_hh.T)
        states.append(hidden)
    return torch.stack(states if output_sequence else states[-1:]), hidden


def gru(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,
    input_bias: Tensor | None = None,
) -> Tensors:
    """Gates in the order reset r, output o, update z: h = (1 - z)·o + z·h.

    The reset gate scales the hidden state before its product, o = act(W·x + R·(r·h) + bias), as the
    published expected values of coremltools' tests have it; if `reset_after`, it scales the product and
    the bias, o = act(W·x + input_bias + r·(R·h + bias)), as in PyTorch.
    """
    gate, act = _activation(recurrent_activation), _activation(activation)
    reset_weight, output_weight, update_weight = weight_hh.chunk(3)
    none = weight_hh.new_zeros(weight_hh.shape[0])
    reset_bias, output_bias, update_bias = (none if bias is None else bias).chunk(3)
    hidden, states = initial_h, []
    for step in F.linear(_steps(x, direction), weight_ih, input_bias):
        reset, output, update = step.chunk(3, dim=-1)
        r = gate(reset + F.linear(hidden, reset_weight, reset_bias))
        z = gate(update + F.linear(hidden, update_weight, update_bias))
        if reset_after:
            o = act(output + r * F.linear(hidden, output_weight, output_bias))
        else:
            o = act(output + F.linear(r * hidden, output_weight, output_bias))
        hidden = (1 - z) * o + z * hidden
        states.append(hidden)
    return torch.stack(states if output_sequence else states[-1:]), hidden


def lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> Tensors:
    """Gates in the order input, forget, output, cell; the cell state is clipped to ±clip.

    `bidirectional` joins a forward and a backward layer, whose states are in the order of the input,
    along the last axis; so are the initial and final states.
    """
    acts = [_activation(name) for name in (recurrent_activation, cell_activation, activation)]
    if direction != "bidirectional":
        weights = (weight_ih, weight_hh, bias, peephole)
        states, hidden, cell = _lstm(_steps(x, direction), initial_h, initial_c, weights, acts, clip)
        return (states if output_sequence else states[-1:]), hidden, cell
    if weight_ih_back is None or weight_hh_back is None:
        raise ValueError("a bidirectional lstm needs weight_ih_back and weight_hh_back")
    (h, h_back), (c, c_back) = initial_h.chunk(2, dim=-1), initial_c.chunk(2, dim=-1)
    back = (weight_ih_back, weight_hh_back, bias_back, peephole_back)
    there = _lstm(x, h, c, (weight_ih, weight_hh, bias, peephole), acts, clip)
    again = _lstm(x.flip(0), h_back, c_back, back, acts, clip)
    both = [torch.cat(pair, dim=-1) for pair in zip(there, again, strict=True)]
    if output_sequence:
        both[0] = torch.cat([there[0], again[0].flip(0)], dim=-1)
    return (both[0] if output_sequence else both[0][-1:]), both[1], both[2]


def _lstm(
    x: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weights: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
    acts: list[Callable[[Tensor], Tensor]],
    clip: float | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """All hidden states in the order of `x`, and the last hidden and cell state."""
    weight_ih, weight_hh, bias, peephole = weights
    gate, cell_act, act = acts
    none = torch.zeros(3 * weight_hh.shape[1])
    to_input, to_forget, to_output = (none if peephole is None else peephole).chunk(3)
    states = []
    for step in F.linear(x, weight_ih, bias):
        i, f, o, z = (step + hidden @ weight_hh.T).chunk(4, dim=-1)
        cell = gate(f + cell * to_forget) * cell + gate(i + cell * to_input) * cell_act(z)
        cell = cell if clip is None else cell.clamp(-clip, clip)
        hidden = gate(o + cell * to_output) * act(cell)
        states.append(hidden)
    return torch.stack(states), hidden, cell
