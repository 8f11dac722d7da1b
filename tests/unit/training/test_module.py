import pytest
import torch
from torch import nn

from pipersr_build.config import TrainingConfig
from pipersr_build.training import trainer
from pipersr_build.training.module import SRModule, compiles

LR = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
HR = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def conv(seed):
    torch.manual_seed(seed)
    return nn.Conv2d(3, 3, 3, padding=1)


def test_the_loss_is_the_configured_one_on_the_networks_output():
    network = conv(0)
    loss = SRModule(network, TrainingConfig(loss="mse")).training_step((LR, HR), 0)
    torch.testing.assert_close(loss, (network(LR) - HR).square().mean())


def test_a_teacher_is_learned_from_and_stays_as_it_is():
    network, teacher = conv(0), conv(1)
    module = SRModule(network, TrainingConfig(teacher_weight=0.25), teacher)
    module.on_fit_start()
    loss = module.training_step((LR, HR), 0)
    expected = (network(LR) - HR).abs().mean() + 0.25 * (network(LR) - teacher(LR)).abs().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(key.startswith("network.") for key in module.state_dict())
    assert len(module.state_dict()) == 2


@pytest.mark.parametrize(("most", "expected"), [(0.5, 0.5), (100.0, 5.0), (0.0, 5.0)])
def test_gradients_are_clipped_to_their_norm(most, expected):
    network = nn.Linear(2, 1, bias=False)
    network.weight.grad = torch.tensor([[3.0, 4.0]])
    module = SRModule(network, TrainingConfig(clip_gradient=most))
    module.configure_gradient_clipping(None)
    assert network.weight.grad.norm().item() == pytest.approx(expected, rel=1e-4)
    assert module.gradient_norm is None if most == 0 else module.gradient_norm.item() == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("wanted", "gpu", "accelerator", "expected"),
    [
        ("auto", False, "auto", False),
        ("auto", True, "auto", True),
        ("auto", True, "cpu", False),
        ("on", False, "auto", True),
        ("graphs", True, "auto", True),
        ("off", True, "auto", False),
    ],
)
def test_auto_compiles_where_a_gpu_is_used(monkeypatch, wanted, gpu, accelerator, expected):
    monkeypatch.setattr(trainer.torch.cuda, "is_available", lambda: gpu)
    assert compiles(TrainingConfig(compile=wanted, accelerator=accelerator)) is expected


@pytest.mark.parametrize(("wanted", "mode"), [("on", None), ("graphs", "reduce-overhead")])
def test_the_compiled_network_shares_its_weights(monkeypatch, wanted, mode):
    calls = []

    def compile_(network, mode):
        calls.append(mode)
        return lambda x: 2 * network(x)

    monkeypatch.setattr(torch, "compile", compile_)
    network = conv(0)
    module = SRModule(network, TrainingConfig(compile=wanted, loss="mse"))
    torch.testing.assert_close(module.training_step((LR, HR), 0), (2 * network(LR) - HR).square().mean())
    assert calls == [mode]
    assert module.network is network
