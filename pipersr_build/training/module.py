"""The Lightning module: the configured loss, optimiser and schedule, with a teacher if there is one."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from pipersr_build.config import TrainingConfig
from pipersr_build.training.losses import build_loss
from pipersr_build.training.optimizers import build_optimizer, schedule
from pipersr_build.training.trainer import on_gpu


class SRModule(LightningModule):
    """Trains `network` on (lr, hr) batches: B, 3, H, W and B, 3, scale H, scale W in [0, 1].

    Args:
        network: the network to train.
        config: the training settings.
        teacher: a network of the same scale whose output is learned from as well; kept as it is.
    """

    def __init__(self, network: nn.Module, config: TrainingConfig, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.settings = config
        self.gradient_norm: Tensor | None = None  # of the last step, before clipping; None where not clipped
        self.loss = build_loss(config.loss)
        # in lists, so that they are no submodules and stay out of the checkpoint
        self._teacher = [teacher.eval().requires_grad_(False)] if teacher is not None else []
        mode = "reduce-overhead" if config.compile == "graphs" else None
        self._called = [torch.compile(network, mode=mode) if compiles(config) else network]

    def on_fit_start(self) -> None:
        """Bring the teacher to where the network is."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:  # noqa: ARG002
        """The loss in float32, with the teacher's share."""
        lr, hr = batch
        lr = lr.contiguous(memory_format=torch.channels_last)
        sr: Tensor = self._called[0](lr)
        loss = self.loss(sr, hr)
        for teacher in self._teacher:
            with torch.no_grad():
                target = teacher(lr)
            distance = nn.functional.l1_loss(sr.float(), target.float())
            loss = loss + self.settings.teacher_weight * distance
        return loss

    def configure_optimizers(self) -> Any:
        """The optimiser with a learning rate that is set before every step."""
        optimizer = build_optimizer(self.network, self.settings)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(self.settings))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Clip by norm here: Lightning refuses to clip for fused optimisers, which matters only for fp16."""
        del optimizer
        most = self.settings.clip_gradient
        if not most:
            return
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self.gradient_norm = norm.detach()
        # most steps need none: on a CPU the gradients are then not touched; a GPU must not wait to know
        if norm.is_cuda or norm > most:
            nn.utils.clip_grads_with_norm_(parameters, most, norm)


def compiles(settings: TrainingConfig) -> bool:
    """Whether to use `torch.compile`: `auto` does on a CUDA GPU, where fusing the small operations pays.

    `graphs` also replays the compiled network as CUDA graphs, for networks so small that starting their
    kernels takes longer than running them; on a CPU it is the same as `on`.
    """
    return settings.compile in ("on", "graphs") or (settings.compile == "auto" and on_gpu(settings))
