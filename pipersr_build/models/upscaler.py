"""Run a PyTorch network on 8-bit pictures."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

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
    """The network in float32, whole frame at once and where it is, as a function between 8-bit pictures."""

    @torch.inference_mode()
    def upscale(rgb: np.ndarray) -> np.ndarray:
        was_training = network.training
        try:
            device = next(network.parameters()).device
            return to_rgb(network.eval()(to_tensor(rgb).to(device)))
        finally:
            network.train(was_training)

    return upscale
