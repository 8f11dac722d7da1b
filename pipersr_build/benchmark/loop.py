"""The shortest training loop that does the same arithmetic as a run: what runs are measured against."""

from contextlib import nullcontext

import torch
from torch import Tensor

from pipersr_build import models
from pipersr_build.config import Config
from pipersr_build.training.optimizers import BETAS
from pipersr_build.training.trainer import precision


class BareLoop:
    """Network, Adam, L1, clipping; on one batch in memory or on batches that it is given.

    Args:
        config: names the network and the sizes.
        fused: None is `torch.optim.Adam` as it comes; True is the fused step that our training uses.
        fast: bf16 and channels_last where the processor has bf16 (what `auto` chooses); False is
            float32 and contiguous tensors.
        device: where to run.
    """

    def __init__(
        self, config: Config, *, fused: bool | None = True, fast: bool = True, device: str = "cpu"
    ) -> None:
        settings = config.training
        self.layout = torch.channels_last if fast else torch.contiguous_format
        self.half = fast and precision(settings.precision, device != "cpu") == "bf16"
        self.device, self.clip = device, settings.clip_gradient
        self.network = models.build(config.model).to(device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, betas=BETAS, fused=fused
        )
        size = settings.patch * config.model.scale
        lr = torch.rand(settings.batch, 3, settings.patch, settings.patch, device=device)
        hr = torch.rand(settings.batch, 3, size, size, device=device)
        self.batch = lr.to(memory_format=self.layout), hr.to(memory_format=self.layout)

    def step(self, batch: tuple[Tensor, Tensor] | None = None) -> None:
        """One optimiser step."""
        lr, hr = self.batch if batch is None else batch
        self.optimizer.zero_grad()
        with torch.autocast(self.device, torch.bfloat16) if self.half else nullcontext():
            sr = self.network(lr)
        torch.nn.functional.l1_loss(sr.float(), hr).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
