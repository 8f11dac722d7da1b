"""Run a PyTorch network on 8-bit pictures."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from pipersr_build import models

Upscaler = Callable[[np.ndarray], np.ndarray]


def to_tensor(rgb: np.ndarray) -> torch.Tensor:
    """Height, width, 3 in 0-255 (uint8) to 1, 3, H, W in [0, 1] (float32, channels last)."""
    tensor = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1).unsqueeze(0)
    return (tensor.float() / 255).contiguous(memory_format=torch.channels_last)


def to_rgb(tensor: torch.Tensor) -> np.ndarray:
    """1, 3, H, W in [0, 1] to height, width, 3 (uint8): clipped, then rounded to nearest."""
    levels = (tensor[0].float().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def upscaler(network: nn.Module) -> Upscaler:
    """The network in float32, whole frame at once and where it is, as a function between 8-bit pictures.

    A picture whose size the network cannot take is filled up by repeating its last rows and columns.
    """
    multiple = _size_multiple(network)

    @torch.inference_mode()
    def upscale(rgb: np.ndarray) -> np.ndarray:
        was_training = network.training
        try:
            device = next(network.parameters()).device
            sr = to_rgb(network.eval()(to_tensor(_filled(rgb, multiple)).to(device)))
            return sr if multiple == 1 else _cut(sr, rgb, multiple)
        finally:
            network.train(was_training)

    return upscale


def _size_multiple(network: nn.Module) -> int:
    """What H and W must be divisible by; 1 for a network that says nothing of itself."""
    config = getattr(network, "config", None)
    return models.facts(config).size_multiple if hasattr(config, "family") else 1


def _filled(rgb: np.ndarray, multiple: int) -> np.ndarray:
    below, right = (-length % multiple for length in rgb.shape[:2])
    return np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else rgb


def _cut(sr: np.ndarray, rgb: np.ndarray, multiple: int) -> np.ndarray:
    """The part of `sr` that shows `rgb`."""
    filled = [length + -length % multiple for length in rgb.shape[:2]]
    height, width = (
        out * length // full for out, length, full in zip(sr.shape, rgb.shape, filled, strict=False)
    )
    return np.ascontiguousarray(sr[:height, :width])
