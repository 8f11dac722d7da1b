"""Fold batch norms into the convolutions before them."""

import copy
from collections import Counter

import torch
import torch.fx
from torch import nn

from pipersr_build.models.collapsible import Collapsible


def fold_batch_norms(network: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy of `network` in evaluation mode without its foldable batch norms, and their number.

    BN(conv(x)) with running mean m, variance v, gain g and offset b is the convolution with weights
    w g/sqrt(v + eps) and bias (c - m) g/sqrt(v + eps) + b (Ioffe & Szegedy 2015, section 3.1). A
    batch norm is folded where it is the only consumer of a convolution's result and both are called
    once; others stay. What `torch.fx` cannot trace (control flow that depends on the input) is looked
    into part by part. The arithmetic is float64 whatever the network's type, so that folding adds one
    rounding only.

    Raises:
        ValueError: a batch norm has no running statistics, or the convolutions still have branches.
    """
    if any(isinstance(module, Collapsible) for module in network.modules()):
        raise ValueError(
            "branches must be collapsed before batch norms are folded: fusion.to_deploy does both"
        )
    folded = copy.deepcopy(network).eval()
    pairs = _convolution_batch_norm_pairs(folded)
    for convolution, batch_norm in pairs:
        _fold(folded.get_submodule(convolution), folded.get_submodule(batch_norm))  # type: ignore[arg-type]
        folded.set_submodule(batch_norm, nn.Identity())
    return folded, len(pairs)


def _convolution_batch_norm_pairs(network: nn.Module, prefix: str = "") -> list[tuple[str, str]]:
    """Names of (convolution, batch norm) where the second alone consumes the first."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return []
    try:
        graph = torch.fx.symbolic_trace(copy.deepcopy(network)).graph  # a forward may keep its stand-in
    except Exception:  # whatever a forward does with a stand-in for its input: see the parts
        parts = network.named_children()
        return [
            pair for name, part in parts for pair in _convolution_batch_norm_pairs(part, f"{prefix}{name}.")
        ]
    return [(f"{prefix}{first}", f"{prefix}{second}") for first, second in _pairs(network, graph)]


def _pairs(network: nn.Module, graph: torch.fx.Graph) -> list[tuple[str, str]]:
    """As `_convolution_batch_norm_pairs`, in a graph of calls."""
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    found = []
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, torch.fx.Node) or source.op != "call_module" or len(source.users) != 1:
            continue
        names = (str(source.target), str(node.target))
        first, second = map(network.get_submodule, names)
        once = calls[names[0]] == calls[names[1]] == 1
        if once and isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            found.append(names)
    return found


@torch.no_grad()
def _fold(convolution: nn.Conv2d, batch_norm: nn.BatchNorm2d) -> None:
    if batch_norm.running_mean is None or batch_norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    gain = (batch_norm.running_var.double() + batch_norm.eps).rsqrt()
    offset = torch.zeros_like(gain)
    if batch_norm.affine:
        gain, offset = gain * batch_norm.weight.double(), batch_norm.bias.double()
    bias = torch.zeros_like(gain) if convolution.bias is None else convolution.bias.double()
    weight = convolution.weight.double() * gain.view(-1, 1, 1, 1)
    bias = (bias - batch_norm.running_mean.double()) * gain + offset
    kind = convolution.weight.dtype
    convolution.weight = nn.Parameter(weight.to(kind))
    convolution.bias = nn.Parameter(bias.to(kind))
