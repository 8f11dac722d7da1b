"""Exponential moving average of the weights: what is judged, kept and exported where it is on."""

import copy
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from pipersr_build.training.steps import StepCallback


class Average(StepCallback):
    """Keeps average ← decay · average + (1 - decay) · weights, statistics of batch norms included.

    Before its first update the average is the network itself. The decay of update n is at most
    n / (n + 9), so that the start does not linger. The average is part of the checkpoint.

    Args:
        network: the network at the start of the run.
        decay: between 0 and 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay, self.updates = decay, 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move to the device of the training."""
        del trainer
        self.network.to(pl_module.device)

    def on_step(self, trainer: Trainer, module: LightningModule, step: int) -> None:
        """Update after every optimiser step."""
        del trainer, step
        self.update(module.network)  # type: ignore[arg-type]

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the present weights."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        ours, theirs = _tensors(self.network), _tensors(network)
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            if not mine.is_floating_point():
                mine.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of its updates."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the average up again."""
        self.network.load_state_dict(state_dict["network"])
        self.updates = state_dict["updates"]


def _tensors(network: nn.Module) -> list[Tensor]:
    everything = [*network.parameters(), *network.buffers()]
    return [tensor.detach() for tensor in everything if tensor.is_floating_point()]
