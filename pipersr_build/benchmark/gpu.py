"""Training on a CUDA GPU: steps per second, the convolutions' share, and how near the matrix ceiling.

Batches of 32 patches of 48x48 LR pixels, cut from the corpus that is kept on the GPU.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from pipersr_build.benchmark.record import Figure
from pipersr_build.config import load
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.errors import MachineError
from pipersr_build.training.module import SRModule

BATCH, PATCH, STEPS, PROFILED = 32, 48, 300, 20
GOAL = 0.40  # of the measured matrix ceiling
CEILING_EDGE, CEILING_TIMES = 8192, 20
CONVOLUTION_KERNELS = ("conv", "implicit", "gemm", "xmma", "cutlass", "wgrad", "dgrad", "fprop")


def measure() -> list[Figure]:
    """Steps per second, share of time in convolution kernels, TFLOP/s against a large bf16 product.

    Raises:
        MachineError: torch sees no CUDA GPU.
    """
    if not torch.cuda.is_available():
        raise MachineError("torch sees no CUDA GPU", fix="run this benchmark on a machine with one")
    step, multiply_adds = _training_step()
    seconds = _timed(step, STEPS)
    achieved, ceiling = 3 * 2 * multiply_adds / seconds / 1e12, _ceiling()
    detail = f"{BATCH} x {PATCH}² LR patches, bf16, channels_last, compiled, {torch.cuda.get_device_name()}"
    return [
        _figure("GPU training steps per second", 1 / seconds, "1/s", detail),
        _figure("GPU time in convolution kernels", _convolution_share(step), "of the kernels' time", detail),
        _figure("GPU arithmetic", achieved, "TFLOP/s", f"forward and backward convolutions; {detail}"),
        _figure("GPU matrix ceiling", ceiling, "TFLOP/s", f"bf16 product of {CEILING_EDGE}² matrices"),
        Figure(name="GPU arithmetic / ceiling", value=achieved / ceiling, limit=GOAL, unit="",
               direction="at least", detail=detail),
    ]  # fmt: skip


def _figure(name: str, value: float, unit: str, detail: str) -> Figure:
    """A figure that is reported and held against nothing."""
    return Figure(name=name, value=value, limit=0.0, direction="at least", unit=unit, detail=detail)


def _training_step() -> tuple[Callable[[], None], float]:
    """A step as a run takes it, and the multiply-adds of its forward pass."""
    from pipersr_build import models
    from pipersr_build.data.resident import ResidentSampler

    config = load([f"training.batch={BATCH}", f"training.patch={PATCH}", "training.compile=on"])
    torch.set_float32_matmul_precision("high")
    host = PatchSampler(photos_corpus().train, PATCH, config.model.scale, BATCH, 0)
    sampler = ResidentSampler(host, torch.device("cuda"))
    network = models.build(config.model).cuda().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = SRModule(network, config.training)
    optimizer = module.configure_optimizers()["optimizer"]
    count = iter(range(10**9))

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss = module.training_step(sampler.batch(next(count)), 0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        module.configure_gradient_clipping(optimizer)
        optimizer.step()

    kernels = sum(p.numel() for p in network.parameters() if p.dim() == 4)
    return step, kernels * BATCH * PATCH * PATCH


def _timed(action: Callable[[], Any], times: int) -> float:
    """Mean seconds after a warm-up, the GPU's queue emptied before and after."""
    for _ in range(20):
        action()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        action()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / times


def _ceiling() -> float:
    """TFLOP/s of a large bf16 matrix product: what the GPU gives here, not its data sheet."""
    a = torch.rand(CEILING_EDGE, CEILING_EDGE, device="cuda", dtype=torch.bfloat16)
    return 2 * CEILING_EDGE**3 / _timed(lambda: a @ a, CEILING_TIMES) / 1e12


def _convolution_share(step: Callable[[], None]) -> float:
    """The share of the kernels' time that is spent in convolutions (by kernel name)."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(PROFILED):
            step()
        torch.cuda.synchronize()
    kernels = {event.key.lower(): event.self_device_time_total for event in profiled.key_averages()}
    convolutions = sum(t for name, t in kernels.items() if any(part in name for part in CONVOLUTION_KERNELS))
    return float(convolutions / sum(kernels.values()))
