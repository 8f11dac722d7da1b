"""Blocks of others' networks that are trained in one form and run in another: brought under `Collapsible`."""

from typing import Any

from torch import nn

from pipersr_build.models.collapsible import Collapsible

SLOPE = 0.05  # of the activation that a block may end in


def with_collapsible_blocks(network: nn.Module) -> nn.Module:
    """The network, changed in place: SPAN's blocks say what they collapse to; no tensor's name changes.

    Such a block holds its convolution beside those it is trained as, and puts it together anew in every run:
    it would undo any rounding of it, and keeps convolutions that never run.
    """
    from spandrel.architectures.SPAN.__arch.span import Conv3XC

    class Block(Conv3XC, Collapsible):  # type: ignore[misc]
        def collapse(self) -> nn.Module:
            return _collapsed(self)

    for module in network.modules():
        if type(module) is Conv3XC:
            module.__class__ = Block
    return network


def _collapsed(block: Any) -> nn.Module:
    block.update_params()
    plain: nn.Conv2d = block.eval_conv
    return nn.Sequential(plain, nn.LeakyReLU(SLOPE)) if block.has_relu else plain
