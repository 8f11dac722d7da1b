from dataclasses import replace

import pytest
import torch

from pipersr_build import models
from pipersr_build.config import TrainingConfig
from pipersr_build.errors import InputError
from pipersr_build.fusion import collapse_branches
from pipersr_build.models.abpn import ABPNConfig
from pipersr_build.models.fsrcnn import FSRCNNConfig
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.rescale import rescaled
from pipersr_build.models.weights import save_weights
from pipersr_build.training import forms

MODEL = PiperSRConfig(blocks=1, channels=8)
LR = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def settings(**more):
    return TrainingConfig(**more)


def test_the_folded_form_has_no_batch_norms_and_gets_measured_ones_at_the_end():
    chosen = settings(form="folded", start="calibrated")
    network = forms.training_network(MODEL, chosen, LR)
    assert forms.training_config(MODEL, chosen) == replace(MODEL, norm="none")
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    kept = forms.kept_network(network, MODEL, chosen, [LR, LR.flip(0)])
    assert models.build(MODEL).state_dict().keys() == kept.state_dict().keys()
    torch.testing.assert_close(kept.eval()(LR), network.eval()(LR), rtol=1e-4, atol=1e-5)


def test_as_it_is_is_kept_as_it_is():
    network = forms.training_network(MODEL, settings(), LR)
    assert forms.kept_network(network, MODEL, settings(), iter(())) is network
    assert network.training
    assert next(network.parameters()).is_contiguous(memory_format=torch.channels_last)


@pytest.fixture
def initial(tmp_path):
    """Weights with batch norms that do something."""
    torch.manual_seed(0)
    network = models.build(MODEL)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    network.train()(LR)
    save_weights(tmp_path / "w.safetensors", network, MODEL, "x")
    return network.eval(), str(tmp_path / "w.safetensors")


def test_fine_tuning_without_batch_norms_begins_with_the_same_function(initial):
    network, path = initial
    folded = forms.training_network(MODEL, settings(form="folded", initial=path), LR).eval()
    torch.testing.assert_close(folded(LR), network(LR), rtol=1e-4, atol=1e-5)
    again = forms.training_network(MODEL, settings(initial=path), LR).eval()
    torch.testing.assert_close(again(LR), network(LR))


def test_branched_weights_are_fine_tuned_without_batch_norms_and_can_teach(tmp_path):
    model = replace(MODEL, branches="repvgg")
    network = models.build(model).eval()
    path = tmp_path / "w.safetensors"
    save_weights(path, network, model, "x")
    folded = forms.training_network(model, settings(form="folded", initial=str(path)), LR).eval()
    torch.testing.assert_close(folded(LR), network(LR), rtol=1e-4, atol=1e-5)
    assert models.build(forms.training_config(model, settings(form="folded"))).state_dict().keys() == (
        folded.state_dict().keys()
    )
    teacher = forms.teacher_network(settings(teacher=str(path)), 2)
    torch.testing.assert_close(teacher(LR), network(LR), rtol=1e-4, atol=1e-5)


def test_frozen_batch_norms_keep_their_statistics_and_the_function(initial):
    network, path = initial
    frozen = forms.training_network(MODEL, settings(form="frozen", initial=path), LR).train()
    before = {name: buffer.clone() for name, buffer in frozen.named_buffers()}
    torch.testing.assert_close(frozen(LR), network(LR), rtol=1e-4, atol=1e-5)
    frozen(LR).sum().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in frozen.named_buffers())
    assert all(parameter.grad is not None for parameter in frozen.parameters())
    models.build(MODEL).load_state_dict(frozen.state_dict())


def test_initial_weights_of_another_network_are_refused(initial):
    other = replace(MODEL, channels=12)
    with pytest.raises(InputError, match="another architecture: channels is 8, asked for 12"):
        forms.training_network(other, settings(initial=initial[1]), LR)
    with pytest.raises(InputError, match="no such weights file"):
        forms.training_network(MODEL, settings(initial="nowhere.safetensors"), LR)


def test_a_teacher_is_folded_and_must_have_the_networks_scale(initial):
    network, path = initial
    assert forms.teacher_network(settings(), 2) is None
    teacher = forms.teacher_network(settings(teacher=path), 2)
    torch.testing.assert_close(teacher(LR), network(LR), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="the teacher enlarges 2x, the network 3x"):
        forms.teacher_network(settings(teacher=path), 3)


@pytest.mark.parametrize("scale", [3, 4])
@pytest.mark.parametrize("branches", ["plain", "ecb"])
@pytest.mark.parametrize("form", ["as_is", "folded"])
def test_weights_of_another_scale_are_a_warm_start(tmp_path, scale, branches, form):
    before = replace(MODEL, branches=branches)
    model, network = replace(before, scale=scale), models.build(before).eval()
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    save_weights(tmp_path / "w.safetensors", network, before, "x")
    chosen = settings(initial=str(tmp_path / "w.safetensors"), form=form)
    started = forms.training_network(model, chosen, LR).eval()
    assert started.config == forms.training_config(model, chosen)
    expected = rescaled(collapse_branches(network), scale)(LR)
    torch.testing.assert_close(started(LR), expected, rtol=1e-4, atol=1e-5)
    assert forms.warm_start(model, chosen).startswith("from 2x weights")


def test_weights_of_the_same_scale_are_no_warm_start(initial):
    assert forms.warm_start(MODEL, settings(initial=initial[1])) == ""
    assert forms.warm_start(MODEL, settings()) == ""


def test_a_scale_that_the_family_cannot_take_over_is_refused(tmp_path):
    path = str(tmp_path / "w.safetensors")
    save_weights(tmp_path / "w.safetensors", models.build(FSRCNNConfig()), FSRCNNConfig(), "x")
    with pytest.raises(InputError, match="scale is 2, asked for 4"):
        forms.training_network(FSRCNNConfig(scale=4), settings(initial=path), LR)


@pytest.mark.parametrize("config", [ABPNConfig(channels=4, blocks=1), QuickSRNetConfig(channels=4, blocks=1)])
def test_other_families_begin_go_on_and_teach(config, tmp_path):
    path = tmp_path / "w.safetensors"
    network = forms.training_network(config, settings(), LR)
    save_weights(path, network, config, "x")
    again = forms.training_network(config, settings(initial=str(path)), LR)
    teacher = forms.teacher_network(settings(teacher=str(path)), 2)
    torch.testing.assert_close(again(LR), network(LR))
    torch.testing.assert_close(teacher(LR), network(LR))
