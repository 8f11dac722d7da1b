import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from pipersr_build.models.weights import load_weights
from pipersr_build.training.ema import Average


def network(value):
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    for tensor in [*net.parameters(), *net.buffers()]:
        tensor.data.fill_(value)
    return net


def values(net):
    return {
        float(t.detach().flatten()[0]) for t in [*net.parameters(), *net.buffers()] if t.is_floating_point()
    }


def test_before_its_first_update_it_is_the_network():
    net = network(3.0)
    average = Average(net, 0.9)
    assert values(average.network) == {3.0}
    assert average.network is not net
    assert not any(p.requires_grad for p in average.network.parameters())


def test_it_follows_the_formula_and_counts_of_batch_norms_are_copied():
    average, expected = Average(network(0.0), 0.5), 0.0
    for n, value in enumerate([4.0, 1.0, 7.0, 2.0], start=1):
        average.update(network(value))
        decay = min(0.5, n / (n + 9))
        expected = decay * expected + (1 - decay) * value
    assert max(values(average.network)) == min(values(average.network)) == pytest.approx(expected)
    assert int(average.network[1].num_batches_tracked) == 2


def test_the_warm_up_ends_at_the_configured_decay():
    average = Average(network(0.0), 0.999)
    average.updates = 10**6
    average.update(network(1.0))
    assert max(values(average.network)) == min(values(average.network)) == pytest.approx(1e-3, rel=1e-3)


def test_its_state_comes_back():
    average, other = Average(network(0.0), 0.9), Average(network(5.0), 0.9)
    average.update(network(1.0))
    other.load_state_dict(average.state_dict())
    assert other.updates == 1
    assert values(other.network) == values(average.network)


class Weights(Callback):
    """Averages the weights after each optimiser step, independently."""

    def __init__(self, decay):
        self.decay, self.average, self.step = decay, None, 0

    def on_train_start(self, trainer, pl_module):
        del trainer
        self.average = {k: v.clone().double() for k, v in pl_module.network.state_dict().items()}

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        decay = min(self.decay, self.step / (self.step + 9))
        for key, value in pl_module.network.state_dict().items():
            self.average[key] = decay * self.average[key] + (1 - decay) * value


def test_the_weights_that_are_kept_are_the_average(configured, trained):
    watch = Weights(0.6)
    config = configured(
        "training.ema=0.6", "training.accumulate=2", "training.keep_best=0", "training.steps=5"
    )
    kept = load_weights(trained(config, watch).weights).network.state_dict()
    for key, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), watch.average[key], rtol=1e-5, atol=1e-7)
