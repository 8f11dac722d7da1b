"""What the tests of every family check alike: reach, operations, parity of both packages."""

from fractions import Fraction

import numpy as np
import torch
from torch import nn

from pipersr_build import models
from pipersr_build.commands.checks import check_parity
from pipersr_build.export.build import build, build_for_census
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package


def positive(network: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight positive and every sum of weights 0.9: no activation cuts anything off.

    What can influence an output then does, and a picture in [0, 1] stays there.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.1)
            if parameter.dim() == 4:
                parameter.mul_(0.9 / parameter.sum((1, 2, 3), keepdim=True))
            elif parameter.dim() == 1:
                parameter.mul_(1e-3)
    return network.double().eval()


def reach(network: nn.Module, scale: float, radius: int, channels: int = 3) -> int:
    """How many LR rows away from an output row's source a row influences it, at most, by derivative."""
    ratio = Fraction(scale)
    height, first = 4 * radius + 8, 2 * radius + 4  # both even: the phases of 1.5x
    lr = torch.rand(1, channels, height, 4, dtype=torch.float64, requires_grad=True)
    sr, found = network(lr), 0
    for row in range(first * ratio.numerator // ratio.denominator, int((first + ratio.denominator) * ratio)):
        source = row * ratio.denominator // ratio.numerator
        (gradient,) = torch.autograd.grad(sr[0, :, row].sum(), lr, retain_graph=True)
        touched = gradient.abs().sum((0, 1, 3)).nonzero()
        found = max(found, source - int(touched.min()), int(touched.max()) - source)
    return found


def lively(config: object, seed: int = 0) -> nn.Module:
    """A new network whose parameters are all off their first values, in evaluation mode."""
    torch.manual_seed(seed)
    network = models.build(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def operations(config: object, folder) -> dict[str, int]:
    """Operations of the deployed network's package with Float16 tensors, as written."""
    path = build_for_census(to_deploy(models.build(config)), folder, "macOS13", np.float16)
    return census(open_package(path).main)


def parity_verdicts(network: nn.Module, folder, tile: int = 16) -> dict[str, str]:
    """The interpreter's parity gate of an image and a video package, read back from the disk."""
    wanted = [Contract("image", str(tile), tile, tile), Contract("video", "v", tile, tile + 4)]
    deployed = to_deploy(network.double()).float()
    made = build(deployed, wanted, folder, deployment="macOS13", title="t", metadata={})
    return {
        contract.kind: check_parity(open_package(path), network.float(), [])[1][0].verdict
        for contract, path in made
    }
