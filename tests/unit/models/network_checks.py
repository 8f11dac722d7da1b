"""What the tests of several families ask of a network: lively weights, its reach, a package that agrees."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Package, open_package
from pipersr_build.validation.parity import MIN_PSNR_DB

SIZE = (18, 26)  # no multiple of anything, larger than the trace


def randomised(network: nn.Module, seed: int = 0, spread: float = 0.05) -> nn.Module:
    """In evaluation mode, every parameter moved away from its special first value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def reach(network: nn.Module, channels: int = 3, size: int = 61) -> tuple[int, int]:
    """How far up and down of the middle an LR pixel can lie that changes its output's first sub-pixel."""
    middle = size // 2
    # of middling brightness, so that an output that is clipped is not at its bounds
    lr = (0.4 + 0.2 * torch.rand(1, channels, size, size, dtype=torch.float64)).requires_grad_()
    sr = network.double()(lr)
    scale = sr.shape[-1] // size
    sr[0, :, scale * middle, scale * middle].sum().backward()
    rows = lr.grad.abs().sum((0, 1, 3)).nonzero()
    return middle - rows.min().item(), rows.max().item() - middle


def is_nearest(network: nn.Module, scale: int, channels: int = 3, within: float = 1e-6) -> bool:
    """Whether the network repeats each pixel scale x scale times."""
    lr = torch.rand(2, channels, 19, 17, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        difference = network.eval()(lr) - nn.functional.interpolate(lr, scale_factor=scale, mode="nearest")
    return difference.abs().max().item() <= within


def unreached(network: nn.Module, scale: int, channels: int = 3) -> list[str]:
    """The parameters that three training steps never reach with a gradient."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    lr, hr = torch.rand(2, channels, 16, 16), torch.rand(2, channels, 16 * scale, 16 * scale)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.l1_loss(network(lr), hr).backward()
        optimizer.step()
    return [name for name, p in network.named_parameters() if not p.grad.abs().sum() > 0]


def export(network: nn.Module, folder: Path, kind: str, size: tuple[int, int] = SIZE) -> Package:
    """The package of a deployed network, read back from disk."""
    wanted = [Contract(kind, "t", *size)]
    ((_, path),) = build(network, wanted, folder, deployment="macOS13", title="t", metadata={})
    return open_package(path)


def agrees(package: Package, network: nn.Module, size: tuple[int, int] = SIZE) -> bool:
    """Whether a tensor package, in the interpreter, passes the parity gate against the network."""
    lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).half()
    with torch.inference_mode():
        expected = network(lr.float()).numpy().astype(np.float64)
    assert np.abs(expected).std() > 0.05, "a network that does nothing proves nothing"
    found = Interpreter(package).run({"lr": lr.numpy()})["sr"].astype(np.float64)
    psnr = -10 * np.log10(np.mean((found - expected) ** 2))
    return bool(psnr >= MIN_PSNR_DB)
