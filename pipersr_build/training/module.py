"""The Lightning module: L1 loss, Adam, linear warm-up and cosine decay."""

import math
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from pipersr_build.config import TrainingConfig

BETAS = (0.9, 0.99)


class SRModule(LightningModule):
    """Trains `network` on (lr, hr) batches: B, 3, H, W and B, 3, scale H, scale W in [0, 1]."""

    def __init__(self, network: nn.Module, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.settings = config

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:  # noqa: ARG002
        """The mean absolute difference between the upscaled patches and the truth, in float32."""
        lr, hr = batch
        sr = self.network(lr.contiguous(memory_format=torch.channels_last))
        return nn.functional.l1_loss(sr.float(), hr)

    def configure_optimizers(self) -> Any:
        """Adam with a learning rate that is set before every step."""
        rate = self.settings.learning_rate
        # the fused step is several times as fast as the loop over parameters, on a CPU too
        optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, betas=BETAS, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine(self.settings))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip by norm here: Lightning refuses to clip for fused optimisers, which matters only for fp16."""
        del optimizer
        most = self.settings.clip_gradient
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if most and norm > most:  # most steps need none: then the gradients are not touched
            nn.utils.clip_grads_with_norm_(self.network.parameters(), most, norm)


def warmup_cosine(config: TrainingConfig) -> Callable[[int], float]:
    """Learning-rate factor by step: linear from 0 over the warm-up, then a half cosine to 0."""

    def factor(step: int) -> float:
        if step < config.warmup:
            return (step + 1) / config.warmup
        done = (step - config.warmup) / max(1, config.steps - config.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor
