"""Convolutions as sums of branches for training, and collapsed into plain ones for deployment."""

import copy

from torch import nn

from pipersr_build.fusion.described import described
from pipersr_build.models.branches import RepConv2d, expand


def collapse_branches(network: nn.Module) -> nn.Module:
    """Return a copy of `network` whose branched convolutions are plain ones with the summed kernels.

    The copy keeps its mode and its batch norms; its configuration says branches=plain. A branched
    convolution computes with the same sum, so that collapsing loses nothing in the network's own type.
    """
    collapsed = copy.deepcopy(network)
    for name, module in list(collapsed.named_modules()):
        if isinstance(module, RepConv2d):
            collapsed.set_submodule(name, module.collapse())
    return described(collapsed, branches="plain")


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
