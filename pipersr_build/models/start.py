"""Where training starts: functions of (network, LR batch) in one table.

None draws random numbers: the same network and batch give the same start. All leave the first output
as it is, because the last convolution or norm of every block starts at zero.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipersr_build.models.branches import Convolution, assign, kernel_of
from pipersr_build.models.pipersr import ResidualBlock

SMALLEST_STD = 1e-6  # a channel that hardly varies on the batch is left as it is


def nearest(network: nn.Module, lr: Tensor) -> nn.Module:  # noqa: ARG001
    """A copy of the network as its constructor made it: the nearest-neighbour upscaler."""
    return copy.deepcopy(network)


def calibrated(network: nn.Module, lr: Tensor) -> nn.Module:
    """A copy in which the activation of every block sees zero mean and unit variance, without a norm.

    Block by block, the first convolution is scaled and shifted so that each of its output channels has
    mean 0 and standard deviation 1 over the batch: what a batch norm would give in its first step, and
    what keeps the activation in its curved range (layer-sequential unit-variance start, Mishkin and
    Matas 2016, with channels in place of layers). Blocks that have batch norms are left alone.

    Args:
        network: B, 3, H, W in [0, 1] to B, 3, scale H, scale W.
        lr: pictures like those of the training, B, 3, H, W in [0, 1]; a few thousand pixels are enough.
    """
    calibrated = copy.deepcopy(network)
    hooks = [
        block.register_forward_pre_hook(_calibrate)
        for block in calibrated.modules()
        if isinstance(block, ResidualBlock) and not isinstance(block.norm1, nn.BatchNorm2d)
    ]
    _look(calibrated, lr)
    for hook in hooks:
        hook.remove()
    return calibrated


def identity(network: nn.Module, lr: Tensor) -> nn.Module:
    """As `calibrated`, with the first convolution of every block passing its channels on.

    Its kernel is the identity (Dirac) instead of random, then scaled and shifted per channel where
    there is no batch norm: the identity alone leaves features so small that the activation is linear.
    """
    started = copy.deepcopy(network)
    for block in started.modules():
        if isinstance(block, ResidualBlock):
            kernel = kernel_of(block.conv1)
            dirac = nn.init.dirac_(torch.empty_like(kernel))
            assign(block.conv1, dirac, torch.zeros_like(kernel[:, 0, 0, 0]))
    return calibrated(started, lr)


@torch.no_grad()
def _calibrate(block: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Standardise what the block's first convolution gives for `inputs`, before the block runs."""
    assert isinstance(block, ResidualBlock)
    convolution: Convolution = block.conv1
    std, mean = torch.std_mean(convolution(inputs[0]).double(), dim=(0, 2, 3), correction=0)
    gain = torch.where(std > SMALLEST_STD, 1 / std, 1)
    kernel, bias = kernel_of(convolution), convolution.bias
    assert bias is not None
    assign(convolution, kernel * gain.view(-1, 1, 1, 1), (bias - mean) * gain)


@torch.no_grad()
def _look(network: nn.Module, lr: Tensor) -> None:
    """Run the network once in float32 or wider, its batch norms untouched."""
    modes = [(module, module.training) for module in network.modules()]
    parameter = next(network.parameters())
    with torch.autocast(parameter.device.type, enabled=False):
        network.eval()(lr.to(parameter))
    for module, training in modes:
        module.training = training


Start = Callable[[nn.Module, Tensor], nn.Module]
STARTS: dict[str, Start] = {"nearest": nearest, "calibrated": calibrated, "identity": identity}
