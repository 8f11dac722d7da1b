import pytest
import torch

from pipersr_build.benchmark import gpu, step
from pipersr_build.benchmark.loop import BareLoop
from pipersr_build.config import load
from pipersr_build.errors import MachineError

TINY = ["model.blocks=1", "model.channels=8", "training.batch=2", "training.patch=8"]


def test_both_figures_are_ratios_of_measured_times(monkeypatch):
    monkeypatch.setattr(step, "STEPS", 4)
    monkeypatch.setattr(step, "WARM_UP", 1)
    monkeypatch.setattr(step, "load", lambda _: load(TINY))
    data, arithmetic = step.measure()
    assert (data.limit, data.direction) == (1.05, "at most")
    assert (arithmetic.limit, arithmetic.direction) == (1.5, "at least")
    assert data.value > 0
    assert arithmetic.value > 0
    assert "2 x 8² patches" in data.detail


@pytest.mark.parametrize("fast", [True, False])
def test_the_bare_loop_learns_in_the_layout_it_says(fast):
    torch.manual_seed(0)
    loop = BareLoop(load([*TINY, "training.precision=fp32"]), fast=fast)
    before = [p.clone() for p in loop.network.parameters()]
    loop.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, loop.network.parameters(), strict=True))
    assert loop.batch[0].is_contiguous(memory_format=loop.layout)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_gpu_benchmark_says_that_it_needs_one():
    with pytest.raises(MachineError, match="no CUDA GPU"):
        gpu.measure()
