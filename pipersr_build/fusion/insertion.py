"""Put batch norms into a network that was trained without: the inverse of folding them."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pipersr_build.fusion.described import described
from pipersr_build.models.pipersr import ResidualBlock

PLACES = ("norm1", "norm2")  # of a residual block


class _Meter(nn.Module):
    """Passes its input on and sums up, in float64, its channels' first two moments."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.sum, self.squares = 0, torch.zeros(()), torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Return x: B, C, H, W."""
        exact = x.double()
        self.count += x[:, 0].numel()
        self.sum = self.sum.to(exact) + exact.sum((0, 2, 3))
        self.squares = self.squares.to(exact) + exact.square().sum((0, 2, 3))
        return x

    def batch_norm(self, kind: torch.dtype) -> nn.BatchNorm2d:
        """A batch norm with the measured statistics that returns its input in evaluation mode."""
        mean = self.sum / self.count
        variance = (self.squares / self.count - mean.square()).clamp(min=0)
        norm = nn.BatchNorm2d(len(mean), device=mean.device, dtype=kind).eval()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        # from the statistics as they were rounded to the network's type, so that they cancel
        norm.weight.copy_((norm.running_var.double() + norm.eps).sqrt())
        norm.bias.copy_(norm.running_mean)
        return norm


@torch.no_grad()
def insert_batch_norms(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Return a copy of `network` in evaluation mode with a batch norm after every body convolution.

    The batch norms' running statistics are those of `batches`; their gain sqrt(var + eps) and offset
    mean undo them. So the function is unchanged, folding gives the weights back, and in training mode
    the result is that of a network trained with batch norms whose statistics have settled. The copy's
    configuration says norm=batch.

    Args:
        network: a network with norm=none, or one whose batch norms were folded.
        batches: LR pictures like those of the training: B, 3, H, W in [0, 1], at least one batch.

    Raises:
        ValueError: the network has batch norms, has no place for them, or there is no batch.
    """
    whole = copy.deepcopy(network).eval()
    meters = {name: _Meter() for name in _places(whole)}
    for name, meter in meters.items():
        whole.set_submodule(name, meter)
    _look(whole, batches)
    kind = next(whole.parameters()).dtype
    for name, meter in meters.items():
        whole.set_submodule(name, meter.batch_norm(kind))
    return described(whole, norm="batch").eval()


def _places(network: nn.Module) -> list[str]:
    """Where batch norms belong: the norms of all residual blocks, which must be absent."""
    blocks = [name for name, module in network.named_modules() if isinstance(module, ResidualBlock)]
    places = [f"{block}.{place}" for block in blocks for place in PLACES]
    if not places:
        raise ValueError("the network has no residual blocks for batch norms")
    if any(not isinstance(network.get_submodule(place), nn.Identity) for place in places):
        raise ValueError("the network has batch norms already")
    return places


def _look(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Run the network on all batches in its own type."""
    parameter, seen = next(network.parameters()), 0
    with torch.autocast(parameter.device.type, enabled=False):
        for lr in batches:
            network(lr.to(parameter))
            seen += 1
    if not seen:
        raise ValueError("batch norms need at least one batch to be measured on")
