"""Fold batch norms into the convolutions before them."""

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipersr_build import models
from pipersr_build.models.collapsible import Collapsible

Pair = tuple[str, str]  # names of a convolution and of the batch norm that consumes its result


def fold_batch_norms(network: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy of `network` in evaluation mode without its foldable batch norms, and their number.

    BN(conv(x)) with running mean m, variance v, gain g and offset b is the convolution with weights
    w g/sqrt(v + eps) and bias (c - m) g/sqrt(v + eps) + b (Ioffe & Szegedy 2015, section 3.1). A
    batch norm is folded where it is the only consumer of a convolution's result, both are called once,
    and nothing else reads their tensors; others stay, and so do those at convolutions that are
    parametrised, hooked or of a class of their own. What `torch.fx` cannot trace (control flow that
    depends on the input) is looked into part by part, and a pair of a part is folded if in runs of the
    whole network on several pictures it is alone, too. The arithmetic is float64 whatever the network's
    type, so that folding adds one rounding only.

    Raises:
        ValueError: a batch norm has no running statistics, or the convolutions still have branches.
    """
    if any(isinstance(module, Collapsible) for module in network.modules()):
        raise ValueError(
            "branches must be collapsed before batch norms are folded: fusion.to_deploy does both"
        )
    folded = copy.deepcopy(network).eval()
    pairs = _convolution_batch_norm_pairs(folded)
    for convolution, name in pairs:
        batch_norm = folded.get_submodule(name)
        _fold(folded.get_submodule(convolution), batch_norm)  # type: ignore[arg-type]
        for known_as in _names(folded, batch_norm):
            folded.set_submodule(known_as, nn.Identity())
    return folded, len(pairs)


def _names(network: nn.Module, module: nn.Module) -> list[str]:
    """Every name that a module has in the network."""
    return [name for name, other in network.named_modules(remove_duplicate=False) if other is module]


def _convolution_batch_norm_pairs(network: nn.Module) -> list[Pair]:
    """The pairs that can be folded."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return []
    pairs = _traced_pairs(network)
    return _alone(network, list(_pairs_of_parts(network))) if pairs is None else pairs


def _pairs_of_parts(network: nn.Module, prefix: str = "") -> Iterator[Pair]:
    """The pairs in the largest parts that can be traced: around the parts that cannot, and inside of those.

    Where a network's own forward cannot be traced either, each part is judged by itself.
    """
    parts = {name: (part, _traced_pairs(part)) for name, part in network.named_children()}
    opaque = {name for name, (_, pairs) in parts.items() if pairs is None}
    around = _traced_pairs(network, opaque)
    yield from ((f"{prefix}{first}", f"{prefix}{second}") for first, second in around or ())
    for name, (part, pairs) in parts.items():
        if pairs is None:
            yield from _pairs_of_parts(part, f"{prefix}{name}.")
        elif around is None:
            yield from ((f"{prefix}{name}.{first}", f"{prefix}{name}.{second}") for first, second in pairs)


class _Tracer(torch.fx.Tracer):
    """Takes some children of what it traces as they are, without looking inside."""

    def __init__(self, opaque: Collection[str]) -> None:
        super().__init__()
        self._opaque = opaque

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._opaque or super().is_leaf_module(m, module_qualified_name)


def _traced_pairs(network: nn.Module, opaque: Collection[str] = ()) -> list[Pair] | None:
    """The pairs in the graph of a network's calls; None where there is no such graph.

    What the children called `opaque` do is not looked at.
    """
    traced = copy.deepcopy(network)  # a forward may keep its stand-in
    try:
        with _Reads() as reads, torch.no_grad():
            graph = _Tracer(opaque).trace(traced)
    except Exception:  # whatever a forward does with a stand-in for its input
        return None
    # Weights that a forward reads itself become nodes of the graph, or are computed with while tracing.
    nodes = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    named = dict(_named_tensors(traced))
    read = {id(tensor) for name, tensor in named.items() if name in nodes or reads.number(tensor)}
    return [
        pair
        for pair in _pairs(network, graph)
        if not any(id(tensor) in read for name in pair for tensor in _tensors(traced.get_submodule(name)))
    ]


def _pairs(network: nn.Module, graph: torch.fx.Graph) -> Iterator[Pair]:
    """Calls of a convolution and a batch norm where the second alone consumes the first, both once."""
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, torch.fx.Node) or source.op != "call_module" or len(source.users) != 1:
            continue
        names = (str(source.target), str(node.target))
        first, second = map(network.get_submodule, names)
        once = calls[names[0]] == calls[names[1]] == 1
        if once and _unaltered(first, nn.Conv2d) and _unaltered(second, nn.BatchNorm2d):
            yield names


def _unaltered(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module computes what its class says: no subclass, which a parametrised one is, no hooks."""
    hooks = module._forward_hooks or module._forward_pre_hooks
    return type(module) is kind and not hooks and "forward" not in vars(module)


def _named_tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)


def _tensors(module: nn.Module) -> list[Tensor]:
    """What a convolution or batch norm computes with."""
    return [tensor for _, tensor in _named_tensors(module) if tensor.is_floating_point()]


# ---------------------------------------------------------------------------- what only runs can tell


class _Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that are given a tensor while the context lasts."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count: Counter[int] = Counter()
        self._kept: dict[int, Tensor] = {}  # a tensor that were gone could have lent its identity to another

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {id(leaf): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        self._count.update(given.keys())
        self._kept.update(given)
        return func(*args, **(kwargs or {}))

    def number(self, tensor: Tensor) -> int:
        """How many operations read a tensor."""
        return self._count[id(tensor)]


def _alone(network: nn.Module, pairs: Iterable[Pair]) -> list[Pair]:
    """Those pairs that, whenever they run, run once, one after the other, with nobody else reading them.

    A forward that cannot be traced may call parts of a part, use one in two places, or read its weights.
    """
    watched = copy.deepcopy(network)
    found = [pair for pair in pairs if all(len(_names(network, network.get_submodule(n))) == 1 for n in pair)]
    ran: set[Pair] = set()
    try:
        for picture in _pictures(watched):
            seen = _watch(watched, found, picture)
            found = [pair for pair in found if seen[pair] is not False]
            ran |= {pair for pair in found if seen[pair]}
    except Exception:  # a network that does not take such a picture: nothing is known of it
        return []
    return [pair for pair in found if pair in ran]


def _pictures(network: nn.Module) -> Iterator[Tensor]:
    """1, C, H, W: noise of two sizes, black, white, and noise far outside of pictures' range."""
    config, kind = getattr(network, "config", None), next(network.parameters())
    channels = models.facts(config).channels if hasattr(config, "family") else 3
    generator = torch.Generator().manual_seed(0)
    noise, wide = (torch.rand(1, channels, *size, generator=generator) for size in ((24, 32), (48, 24)))
    for picture in (noise, wide, torch.zeros_like(noise), torch.ones_like(noise), 255 * noise - 100):
        yield picture.to(kind)


@torch.no_grad()
def _watch(network: nn.Module, pairs: Sequence[Pair], picture: Tensor) -> dict[Pair, bool | None]:
    """Whether each pair was alone in one run; None where it did not run."""
    modules = {pair: (network.get_submodule(pair[0]), network.get_submodule(pair[1])) for pair in pairs}
    results: dict[nn.Module, Tensor] = {}
    inputs: dict[nn.Module, Tensor] = {}
    hooks = [c.register_forward_hook(lambda m, _, out: results.update({m: out})) for c, _ in modules.values()]
    hooks += [n.register_forward_pre_hook(lambda m, x: inputs.update({m: x[0]})) for _, n in modules.values()]
    try:
        with _Reads() as reads:
            network(picture)
    finally:
        for hook in hooks:
            hook.remove()

    def alone(convolution: nn.Module, norm: nn.Module) -> bool | None:
        numbers = {reads.number(tensor) for tensor in (*_tensors(convolution), *_tensors(norm))}
        if numbers == {0}:
            return None
        result = results.get(convolution)
        passed_on = result is not None and result is inputs.get(norm) and reads.number(result) == 1
        return passed_on and numbers == {1}

    return {pair: alone(*both) for pair, both in modules.items()}


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
