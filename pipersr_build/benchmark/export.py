"""Exporting the four packages against the bare coremltools calls for the same four."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipersr_build import models, quiet
from pipersr_build.benchmark.record import Figure
from pipersr_build.config import ExportConfig
from pipersr_build.config.wanted import contracts
from pipersr_build.export.build import build
from pipersr_build.export.contracts import INPUT, OUTPUT, Contract
from pipersr_build.export.convert import trace
from pipersr_build.fusion import fold_batch_norms
from pipersr_build.models.pipersr import PiperSRConfig

ROUNDS = 5
LIMIT = 1.25


def measure() -> list[Figure]:
    """Median ratio, round by round, of (fold, trace, convert, write) to (`ct.convert`, `save`)."""
    torch.manual_seed(0)
    network = models.build(PiperSRConfig()).eval()
    wanted = contracts(ExportConfig())
    deploy, _ = fold_batch_norms(network)
    traced = {kind: trace(deploy, kind) for kind in ("image", "video")}
    _bare(traced, wanted[:1])  # the first conversion of a process imports and registers
    ratios, ours, bare = [], [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(lambda: _export(network, wanted)))
        bare.append(_seconds(lambda: _bare(traced, wanted)))
        ratios.append(ours[-1] / bare[-1])
    detail = (
        f"median of {ROUNDS} rounds, {min(ratios):.2f} to {max(ratios):.2f}; "
        f"{statistics.median(ours):.2f} s against {statistics.median(bare):.2f} s"
    )
    return [
        Figure(
            name="export of four packages / bare coremltools calls",
            value=statistics.median(ratios),
            limit=LIMIT,
            unit="x",
            detail=detail,
        )
    ]


def _export(network: nn.Module, wanted: list[Contract]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        deploy, _ = fold_batch_norms(network)
        for _ in build(deploy, wanted, Path(folder), deployment="macOS13", title="benchmark", metadata={}):
            pass


def _bare(traced: dict[str, Any], wanted: list[Contract]) -> None:
    ct = quiet.coremltools()
    with tempfile.TemporaryDirectory() as folder, quiet.conversion():
        for contract in wanted:
            shape = (1, 3, contract.height, contract.width)
            image = contract.kind == "image"
            model = ct.convert(
                traced[contract.kind],
                inputs=[
                    ct.ImageType(INPUT, shape=shape)
                    if image
                    else ct.TensorType(INPUT, shape=shape, dtype=np.float16)
                ],
                outputs=[ct.ImageType(OUTPUT) if image else ct.TensorType(OUTPUT, dtype=np.float16)],
                minimum_deployment_target=ct.target.macOS13,
                skip_model_load=True,
            )
            model.save(f"{folder}/{contract.name}.mlpackage")


def _seconds(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
