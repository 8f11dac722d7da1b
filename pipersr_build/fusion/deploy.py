"""The whole way from the trained network to the deployed one."""

from torch import nn

from pipersr_build.fusion.batch_norm import fold_batch_norms
from pipersr_build.fusion.branches import collapse_branches
from pipersr_build.fusion.described import described


def to_deploy(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode: every `Collapsible` collapsed, batch norms folded, in any mixture.

    Batch norms that cannot be folded stay (see `fold_batch_norms`); if none is left, the copy's
    configuration says norm=none. Transform in float64 to prove equality (see `prove_equal`): in
    float32 the two differ by the rounding of the new kernels.

    Raises:
        ValueError: a batch norm after a convolution has no running statistics.
    """
    folded, _ = fold_batch_norms(collapse_branches(network))
    return described(folded, norm="none") if count_batch_norms(folded) == 0 else folded


def count_batch_norms(network: nn.Module) -> int:
    """Number of batch norms in the network."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
