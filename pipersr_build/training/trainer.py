"""Lightning's trainer as this toolkit uses it: one process or many, quiet, with our own callbacks."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy

from pipersr_build import machine
from pipersr_build.config import TrainingConfig
from pipersr_build.errors import MachineError

PATIENCE = timedelta(hours=2)  # how long the processes wait for the first one, which alone validates


def build_trainer(
    settings: TrainingConfig, folder: Path, callbacks: Sequence[pl.Callback], loggers: Sequence[Logger]
) -> pl.Trainer:
    """The trainer for the configured processes, precision and steps.

    Processes started by torchrun or SLURM are recognised by Lightning from their environment.

    Raises:
        MachineError: a GPU is asked for and there is none.
    """
    check_machine(settings)
    many, gpu = settings.devices * settings.nodes > 1, on_gpu(settings)
    return pl.Trainer(
        max_steps=settings.steps,
        max_epochs=-1,
        accelerator="gpu" if gpu else "cpu",
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=DDPStrategy(timeout=PATIENCE) if many else "auto",
        plugins=_environment(),
        sync_batchnorm=many and gpu,
        precision="bf16-mixed" if precision(settings.precision, gpu) == "bf16" else "32-true",
        accumulate_grad_batches=settings.accumulate,
        callbacks=list(callbacks),
        limit_val_batches=0,  # our own callback validates
        logger=list(loggers) or False,
        use_distributed_sampler=False,  # batches know their rank
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def on_gpu(settings: TrainingConfig) -> bool:
    """Whether a CUDA GPU is used."""
    return settings.accelerator != "cpu" and torch.cuda.is_available()


def check_machine(settings: TrainingConfig) -> None:
    """Find out before the start whether the machine has what the settings want.

    Raises:
        MachineError: too few GPUs, or no compiler for `torch.compile` on a CPU.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if settings.accelerator == "gpu" and not found:
        raise MachineError(
            "training.accelerator=gpu, but torch sees no CUDA GPU", fix="use training.accelerator=cpu"
        )
    if on_gpu(settings) and settings.devices > found:
        raise MachineError(
            f"training.devices is {settings.devices}, but torch sees {found} CUDA GPUs",
            fix=f"use training.devices={found}, or training.accelerator=cpu",
        )
    compiled = settings.compile in ("on", "graphs") and not on_gpu(settings)
    if compiled and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise MachineError("torch.compile needs a C++ compiler on a CPU", fix="use training.compile=off")


def _environment() -> Any:
    """Under SLURM, Lightning's own saving in the middle of a step and requeueing are switched off."""
    torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    tasks = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    return [SLURMEnvironment(auto_requeue=False)] if tasks and not torchrun else []


def precision(wanted: str, gpu: bool | None = None) -> str:
    """`fp32` or `bf16`: `auto` is bf16 where the processor or the GPU multiplies it natively."""
    if wanted != "auto":
        return wanted
    gpu = torch.cuda.is_available() if gpu is None else gpu
    native = torch.cuda.is_bf16_supported() if gpu else machine.bf16_cpu()
    return "bf16" if native else "fp32"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about devices, workers and logging to itself while training."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
