import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build import models
from pipersr_build.config import TrainingConfig, load
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.training.muon import Muon
from pipersr_build.training.optimizers import DECAYS, build_optimizer, schedule


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    factor = schedule(TrainingConfig(steps=100, warmup=10))
    values = [factor(step) for step in range(101)]
    assert values[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert values[10] == 1
    assert values[55] == pytest.approx(0.5)
    assert values[100] == pytest.approx(0)
    assert values[10:] == sorted(values[10:], reverse=True)


def test_without_warm_up_it_starts_at_the_peak():
    assert schedule(TrainingConfig(steps=10, warmup=0))(0) == 1


def test_quicksrnets_schedule_halves_every_200_000_of_a_million_steps():
    config = load(["training=quicksrnet"]).training
    factor = schedule(config)
    rates = [config.learning_rate * factor(step) for step in (0, 199_999, 200_000, 400_000, 600_000, 999_999)]
    assert rates == pytest.approx([5e-4, 5e-4, 2.5e-4, 1.25e-4, 6.25e-5, 3.125e-5])
    assert (config.steps, config.batch) == (1_000_000, 32)


def test_linear_holds_then_falls_straight_to_zero():
    factor = schedule(TrainingConfig(steps=100, warmup=0, schedule="linear", decay_from=0.6))
    assert [factor(step) for step in (0, 59, 60, 80, 100)] == pytest.approx([1, 1, 1, 0.5, 0])


def test_constant_is_constant_after_the_warm_up():
    factor = schedule(TrainingConfig(steps=100, warmup=4, schedule="constant"))
    assert [factor(step) for step in (0, 3, 50, 99)] == pytest.approx([0.25, 1, 1, 1])


@settings(deadline=None)
@given(
    st.sampled_from(sorted(DECAYS)),
    st.integers(1, 200),
    st.integers(0, 300),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_factor_lies_between_zero_and_one(name, steps, warmup, gamma, decay_from):
    config = TrainingConfig(
        steps=steps, warmup=warmup, schedule=name, gamma=gamma, decay_from=decay_from, milestones=[3, 70]
    )
    factor = schedule(config)
    assert all(0 <= factor(step) <= 1 for step in range(steps + 1))


def test_every_schedule_of_the_configuration_is_there():
    from pipersr_build.config import CHOICES

    assert set(CHOICES["schedule"]) == set(DECAYS)


def test_multistep_needs_milestones():
    with pytest.raises(InputError, match="milestones"):
        load(["training.schedule=multistep"])


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("muon", Muon)]
)
def test_the_optimiser_is_the_configured_one(name, kind):
    network = models.build(PiperSRConfig(blocks=1, channels=8))
    settings = TrainingConfig(optimizer=name, learning_rate=1e-3, weight_decay=0.1)
    optimizer = build_optimizer(network, settings)
    assert type(optimizer) is kind
    assert {group["lr"] for group in optimizer.param_groups} == {1e-3}
    assert {group["betas"] for group in optimizer.param_groups} == {(0.9, 0.99)}
    decays = {group["weight_decay"] for group in optimizer.param_groups}
    assert decays == {"adam": {0}, "adamw": {0.1}, "muon": {0, 0.1}}[name]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    assert sorted(map(id, trained)) == sorted(map(id, network.parameters()))


def test_muon_gets_the_hidden_kernels_alone():
    network = models.build(PiperSRConfig(blocks=2, channels=8))
    optimizer = build_optimizer(network, TrainingConfig(optimizer="muon"))
    [orthogonal] = [group["params"] for group in optimizer.param_groups if group["orthogonal"]]
    assert {tuple(p.shape) for p in orthogonal} == {(8, 8, 3, 3)}
    assert len(orthogonal) == 4
