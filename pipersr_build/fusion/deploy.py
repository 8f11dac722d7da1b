"""The whole way from the trained network to the deployed one."""

from torch import nn

from pipersr_build.fusion.batch_norm import fold_batch_norms
from pipersr_build.fusion.branches import collapse_branches
from pipersr_build.fusion.described import described


def deploy(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode with its branches collapsed and its batch norms folded.

    Batch norms that cannot be folded stay (see `fold_batch_norms`); if none is left, the copy's
    configuration says norm=none. Transform in float64 to prove equality (see `prove_equal`).
    """
    folded, _ = fold_batch_norms(collapse_branches(network))
    return described(folded, norm="none") if count_batch_norms(folded) == 0 else folded


def count_batch_norms(network: nn.Module) -> int:
    """Number of batch norms in the network."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
