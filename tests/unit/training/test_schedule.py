import pytest

from pipersr_build.config import TrainingConfig
from pipersr_build.training.module import warmup_cosine
from pipersr_build.training.run import precision


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    factor = warmup_cosine(TrainingConfig(steps=100, warmup=10))
    values = [factor(step) for step in range(101)]
    assert values[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert values[10] == 1
    assert values[55] == pytest.approx(0.5)
    assert values[100] == pytest.approx(0)
    assert values[10:] == sorted(values[10:], reverse=True)


def test_without_warm_up_it_starts_at_the_peak():
    assert warmup_cosine(TrainingConfig(steps=10, warmup=0))(0) == 1


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_taken(wanted):
    assert precision(wanted) == wanted


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_follows_the_processor(monkeypatch, native, expected):
    from pipersr_build.training import run

    monkeypatch.setattr(run.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(run.machine, "bf16_cpu", lambda: native)
    assert precision("auto") == expected
