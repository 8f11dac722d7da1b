"""Optimisers and learning-rate schedules by configuration."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pipersr_build.config import TrainingConfig
from pipersr_build.training.muon import Muon

BETAS = (0.9, 0.99)  # as configured by default


def build_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The configured optimiser over the network's parameters.

    The fused step is several times as fast as the loop over parameters, on a CPU too.
    """
    common: dict[str, Any] = {"lr": config.learning_rate, "betas": (BETAS[0], config.beta2), "fused": True}
    if config.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), **common)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay, **common)
    return Muon(_muon_groups(network, config), **common)


def _muon_groups(network: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Hidden kernels by Muon; first and last convolution, biases and norms by Adam."""
    kernels = [name for name, parameter in network.named_parameters() if parameter.dim() >= 2]
    hidden = set(kernels[1:-1])
    named = dict(network.named_parameters())
    return [
        {
            "params": [named[name] for name in named if name in hidden],
            "orthogonal": True,
            "weight_decay": config.weight_decay,
        },
        {"params": [named[name] for name in named if name not in hidden]},
    ]


def schedule(config: TrainingConfig) -> Callable[[int], float]:
    """Learning-rate factor by step, counted from 0: linear warm-up times the configured decay."""
    decay = DECAYS[config.schedule]

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
        return warm * decay(step, config)

    return factor


def _cosine(step: int, config: TrainingConfig) -> float:
    """1 until the warm-up ends, then a half cosine to 0 at the last step (Loshchilov & Hutter, 2017)."""
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))


def _multistep(step: int, config: TrainingConfig) -> float:
    """Multiplied by `gamma` at every milestone (QuickSRNet halves 5e-4 every 200,000 of 1,000,000 steps)."""
    return float(config.gamma ** sum(step >= milestone for milestone in config.milestones))


def _linear(step: int, config: TrainingConfig) -> float:
    """1 until `decay_from` (a share of the steps), then straight to 0."""
    begin = config.decay_from * config.steps
    return min(1.0, max(0.0, (config.steps - step) / max(1.0, config.steps - begin)))


def _constant(step: int, config: TrainingConfig) -> float:
    del step, config
    return 1.0


DECAYS: dict[str, Callable[[int, TrainingConfig], float]] = {
    "cosine": _cosine,
    "multistep": _multistep,
    "linear": _linear,
    "constant": _constant,
}
