import pytest
import torch
from torch import nn
from training_stops import At, StoppedError

from pipersr_build import config as configuration
from pipersr_build import files, models
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quantized import QuantizedConv2d, is_quantized
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.weights import load_weights, save_weights
from pipersr_build.training import forms
from pipersr_build.training.checkpoint_file import load_network
from pipersr_build.training.names import LAST

LR = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "config",
    [
        QuickSRNetConfig(channels=4, blocks=1),
        PiperSRConfig(blocks=1, channels=4),
        PiperSRConfig(blocks=1, channels=4, branches="repvgg"),
    ],
)
def test_training_in_8_bits_begins_with_the_deployed_network(config, tmp_path):
    torch.manual_seed(0)
    network, path = models.build(config).eval(), tmp_path / "w.safetensors"
    save_weights(path, network, config, "first")
    settings = configuration.TrainingConfig(form="quantized", initial=str(path))
    trained = forms.training_network(config, settings, LR)
    kinds = {type(module) for module in trained.modules() if isinstance(module, nn.Conv2d)}
    assert kinds == {QuantizedConv2d}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in trained.modules())
    assert (trained(LR) - network(LR)).abs().max() < 0.05
    kept = forms.kept_config(config, settings)
    assert models.describe(kept) == models.describe(trained.config)
    assert forms.kept_network(trained, config, settings, []) is trained


def test_it_needs_trained_weights_and_a_family_that_can():
    with pytest.raises(InputError, match="form is 'quantized'"):
        configuration.load(["model=quicksrnet_small_2x", "training.form=quantized"])
    with pytest.raises(InputError, match="family espcn allows"):
        configuration.load(["model=espcn_2x", "training.form=quantized", "training.initial=w"])


def test_a_run_in_8_bits_that_stops_and_goes_on_ends_as_if_it_had_not(configured, trained, tmp_path):
    torch.manual_seed(0)
    config = configured()
    path = tmp_path / "first.safetensors"
    save_weights(path, models.build(config.model), config.model, "first")
    words = ["training.form=quantized", f"training.initial={path}", "training.steps=6",
             "training.checkpoint_every=2", "training.ema=0.5"]  # fmt: skip
    whole = trained(configured(*words, f"runs={tmp_path}/whole"))
    with pytest.raises(StoppedError):
        trained(configured(*words), At(4))
    checkpoint = files.Path(configured(*words).runs) / config.name / LAST
    assert is_quantized(load_network(checkpoint)[0])
    result = trained(configured(*words))
    assert files.sha256(result.weights) == files.sha256(whole.weights)
    found = load_weights(result.weights)
    assert is_quantized(found.network)
    assert found.config.norm == "none"
