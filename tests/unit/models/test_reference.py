import pytest

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models import reference
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import load_weights, save_weights


@pytest.fixture
def folder(tmp_path, monkeypatch):
    config = PiperSRConfig(blocks=1, channels=4)
    save_weights(tmp_path / "small.safetensors", models.build(config), config, "small")
    monkeypatch.setattr(reference, "shipped", lambda *_: tmp_path)
    return tmp_path


def test_weights_of_the_asked_network_are_found(folder):
    found = reference.reference_weights(PiperSRConfig(blocks=1, channels=4))
    assert found == folder / "small.safetensors"


@pytest.mark.usefixtures("folder")
def test_without_weights_of_this_network_the_user_is_told_what_to_do():
    with pytest.raises(InputError, match="none come with the toolkit"):
        reference.reference_weights(PiperSRConfig(blocks=2, channels=4))


def test_the_default_network_has_shipped_weights():
    config = PiperSRConfig()
    weights = load_weights(reference.reference_weights(config), config)
    assert models.parameters(weights.network) == 453_388
