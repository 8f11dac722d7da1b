"""Convolutions as sums of branches for training, and collapsed into plain ones for deployment."""

import copy

from torch import nn

from pipersr_build.fusion.described import described
from pipersr_build.models.branches import expand
from pipersr_build.models.collapsible import Collapsible


def collapse_branches(network: nn.Module) -> nn.Module:
    """Return a copy of `network` in which every `Collapsible` is the simpler module that it equals.

    The copy keeps its mode and its batch norms; its configuration says branches=plain, where it has
    such a setting. A module that stands in several places is one module afterwards too.
    """
    collapsed = copy.deepcopy(network)
    if isinstance(collapsed, Collapsible):
        return collapsed.collapse()
    made: dict[nn.Module, nn.Module] = {}
    for name, module in _outermost(collapsed):
        if module not in made:
            made[module] = module.collapse()
        collapsed.set_submodule(name, made[module])
    return described(collapsed, branches="plain")


def _outermost(network: nn.Module) -> list[tuple[str, Collapsible]]:
    """The collapsible modules that are not inside another one, by every name that they have."""
    found: list[tuple[str, Collapsible]] = []
    for name, module in network.named_modules(remove_duplicate=False):
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        if isinstance(module, Collapsible) and not inside:
            found.append((name, module))
    return found


def expand_branches(network: nn.Module, kind: str) -> nn.Module:
    """Return a copy of `network` whose 3x3 convolutions are sums of branches: the same function.

    So training with branches can go on from a plain network. The new branches start at random values;
    the 3x3 branch makes up for them.

    Args:
        network: with plain 3x3 convolutions that have a bias, stride 1 and zero padding of 1.
        kind: what they become: a value of the model's `branches`.
    """
    expanded = copy.deepcopy(network)
    expand(expanded, kind)
    return described(expanded, branches=kind)
