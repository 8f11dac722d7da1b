import copy

import pytest
import torch
from torch import nn

from pipersr_build import models
from pipersr_build.fusion import fold_batch_norms, insert_batch_norms, to_deploy
from pipersr_build.models.branches import assign
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import load_weights, save_weights

BATCHES = [torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(n)) for n in range(3)]


def trained(**settings) -> nn.Module:
    """A network without norms whose blocks do something."""
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(norm="none", **settings))
    with torch.no_grad():
        for block in network.body:
            channels = len(block.conv2.bias)
            assign(block.conv2, torch.randn(channels, channels, 3, 3) * 0.05, torch.randn(channels) * 0.05)
    return network


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("branches", ["plain", "ecb"])
def test_the_function_is_unchanged(kind, tolerance, branches):
    network = trained(branches=branches).to(kind)
    whole = insert_batch_norms(network, BATCHES)
    lr = torch.rand(1, 3, 20, 17, dtype=kind)
    assert not whole.training
    assert (whole(lr) - network(lr)).abs().max() <= tolerance


def test_it_has_the_published_number_of_parameters_and_is_stored_as_the_published_network(tmp_path):
    network = trained()
    whole = insert_batch_norms(network, BATCHES)
    assert (models.parameters(network), models.parameters(whole)) == (451_852, 453_388)
    assert whole.config == PiperSRConfig()
    save_weights(tmp_path / "w.safetensors", whole, whole.config, "mine")
    back = load_weights(tmp_path / "w.safetensors", PiperSRConfig()).network
    lr = torch.rand(1, 3, 8, 8)
    assert torch.equal(back(lr), whole(lr))


@pytest.mark.parametrize(("kind", "rounding"), [(torch.float32, 5e-7), (torch.float64, 1e-15)])
def test_folding_gives_the_weights_back(kind, rounding):
    network = trained(blocks=2, channels=16).to(kind)
    folded, count = fold_batch_norms(insert_batch_norms(network, BATCHES))
    assert count == 4
    for name, value in network.state_dict().items():
        torch.testing.assert_close(folded.state_dict()[name], value, rtol=rounding, atol=rounding)


def test_folding_inserting_and_folding_again_changes_nothing_in_float64():
    torch.manual_seed(0)
    once = to_deploy(models.build(PiperSRConfig(blocks=2, channels=8)).double())
    again = to_deploy(insert_batch_norms(once, BATCHES))
    for name, value in once.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=1e-14)


def test_the_statistics_are_those_of_all_batches_together():
    network = trained(blocks=1, channels=6)
    whole = insert_batch_norms(network, iter(BATCHES))
    seen = network.body[0].conv1(network.head(torch.cat(BATCHES)))
    std, mean = torch.std_mean(seen, dim=(0, 2, 3), correction=0)
    norm = whole.body[0].norm1
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norm.running_var, std.square(), rtol=1e-4, atol=1e-9)


def test_batches_of_different_sizes_count_by_their_pixels():
    network = trained(blocks=1, channels=4)
    first, second = torch.zeros(3, 3, 6, 6), torch.rand(1, 3, 9, 9)
    together = insert_batch_norms(network, [first, second])
    apart = insert_batch_norms(network, [*first.split(1), second])
    for name, value in together.state_dict().items():
        torch.testing.assert_close(apart.state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_in_training_mode_it_is_nearly_the_same_function():
    network = trained(blocks=2, channels=8)
    whole = insert_batch_norms(network, BATCHES).train()
    lr = torch.cat(BATCHES)
    assert (whole(lr) - network(lr)).abs().max() < 1e-4
    other = torch.rand(4, 3, 16, 16)
    assert (whole(other) - network(other)).abs().max() < 0.05


def test_the_network_is_not_touched():
    network = trained(blocks=1, channels=4).train()
    before = copy.deepcopy(network.state_dict())
    insert_batch_norms(network, BATCHES)
    assert network.training
    assert [type(m) for m in network.body[0].children()].count(nn.Identity) == 2
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())


def test_a_channel_that_does_not_vary_is_kept_too():
    network = trained(blocks=1, channels=4)
    with torch.no_grad():
        network.body[0].conv1.weight[2] = 0
    lr = torch.rand(1, 3, 8, 8)
    assert (insert_batch_norms(network, BATCHES)(lr) - network(lr)).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("network", "batches", "message"),
    [
        (lambda: models.build(PiperSRConfig(blocks=1, channels=4)), BATCHES, "already"),
        (lambda: nn.Sequential(nn.Conv2d(3, 3, 3)), BATCHES, "no residual blocks"),
        (lambda: trained(blocks=1, channels=4), [], "at least one batch"),
    ],
)
def test_what_cannot_be_done_is_refused(network, batches, message):
    with pytest.raises(ValueError, match=message):
        insert_batch_norms(network(), batches)
