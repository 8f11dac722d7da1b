import json

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models.ecbsr import ECBSRConfig
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.sesr import SESRConfig
from pipersr_build.models.weights import METADATA_KEY, load_weights, save_weights

CONFIG = PiperSRConfig(blocks=1, channels=4)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "weights.safetensors"
    network = models.build(CONFIG)
    save_weights(path, network, CONFIG, "mine")
    return path, network


@pytest.mark.parametrize(
    "config",
    [
        PiperSRConfig(blocks=1, channels=4),
        PiperSRConfig(blocks=3, channels=5, scale=3, activation="prelu"),
        PiperSRConfig(blocks=1, channels=6, scale=4, activation="gelu", norm="none"),
        PiperSRConfig(blocks=1, channels=4, branches="repvgg"),
        PiperSRConfig(blocks=1, channels=4, norm="none", branches="ecb"),
    ],
)
def test_configuration_and_tensors_come_back(tmp_path, config):
    network = models.build(config)
    save_weights(tmp_path / "w.safetensors", network, config, "mine")
    back = load_weights(tmp_path / "w.safetensors")
    assert (back.config, back.name) == (config, "mine")
    assert not back.network.training
    for key, value in network.state_dict().items():
        assert torch.equal(back.network.state_dict()[key], value)


def test_the_same_network_gives_the_same_bytes(saved, tmp_path):
    path, network = saved
    save_weights(tmp_path / "again.safetensors", network, CONFIG, "mine")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def stores_complex():
    """Whether this safetensors writes complex numbers: 0.5 does not."""
    try:
        save({"x": torch.zeros(1, dtype=torch.complex64)})
    except KeyError:
        return False
    return True


def rewrite(path, change=lambda _: None, metadata=None):
    tensors = load_file(path)
    change(tensors)
    about = {"format": 1, "model": models.describe(CONFIG), "name": "mine"} if metadata is None else metadata
    save_file(tensors, path, {METADATA_KEY: json.dumps(about)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("tail.bias"), "lacks tail.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "unexpected extra"),
        (lambda t: t.update({"tail.bias": torch.zeros(3)}), "shape"),
        (lambda t: t.update({"tail.bias": torch.full((12,), float("nan"))}), "NaN"),
        (lambda t: t.update({"tail.bias": torch.full((12,), 1e300, dtype=torch.float64)}), "infinite"),
        (lambda t: t["body.0.norm1.running_var"].neg_(), "norm1.running_var holds negative variances"),
        (lambda t: t.update({"tail.bias": torch.zeros(12, dtype=torch.int8)}), "tail.bias is int8"),
        pytest.param(
            lambda t: t.update({"tail.bias": torch.zeros(12, dtype=torch.complex64)}),
            "tail.bias is complex64",
            marks=pytest.mark.skipif(not stores_complex(), reason="this safetensors writes none"),
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(saved, change, message):
    path, _ = saved
    rewrite(path, change)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(path)
    assert caught.value.fix


@pytest.mark.parametrize("config", [SESRConfig(blocks=1, form="luma"), ECBSRConfig(blocks=1, colours=1)])
def test_networks_of_one_channel_are_refused_by_name(config, tmp_path):
    save_weights(tmp_path / "w.safetensors", models.build(config), config, "grey")
    with pytest.raises(InputError, match=r"(SESR|ECBSR).*1 channel \(grey\); packages are RGB"):
        load_weights(tmp_path / "w.safetensors")


def test_half_precision_is_read_as_float32(saved):
    path, _ = saved
    rewrite(
        path, lambda t: t.update({key: value.half() for key, value in t.items() if value.is_floating_point()})
    )
    assert {p.dtype for p in load_weights(path).network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([1], "does not say which network"),
        ({"format": 99}, "format 99"),
        ({"format": 1, "model": {}}, "not a name"),
        ({"format": 1, "name": "../../evil", "model": {}}, "not a name"),
        ({"format": 1, "name": ["x"], "model": {}}, "not a name"),
        ({"format": 1, "name": "x", "model": [1]}, "unknown network family"),
        ({"format": 1, "name": "x", "model": {"family": ["x"]}}, "unknown network family"),
        ({"format": 1, "name": "x", "model": {"family": "other"}}, "unknown network family"),
        ({"format": 1, "name": "x", "model": {"family": "pipersr", "wings": 2}}, "no valid network"),
        ({"format": 1, "name": "x", "model": {"family": "pipersr", "blocks": "6"}}, "no valid network"),
        ({"format": 1, "name": "x", "model": {"family": "pipersr", "scale": 9}}, "no valid network"),
    ],
)
def test_metadata_that_describe_no_network_are_refused(saved, metadata, message):
    path, _ = saved
    rewrite(path, metadata=metadata)
    with pytest.raises(InputError, match=message):
        load_weights(path)


def test_settings_that_older_files_do_not_name_take_their_defaults(saved):
    path, network = saved
    model = models.describe(CONFIG)
    del model["branches"]
    rewrite(path, metadata={"format": 1, "name": "mine", "model": model})
    back = load_weights(path, CONFIG)
    assert back.config == CONFIG
    assert torch.equal(back.network.tail.weight, network.tail.weight)


def test_a_setting_of_a_newer_version_is_named(saved):
    path, _ = saved
    model = {**models.describe(CONFIG), "attention": "window"}
    rewrite(path, metadata={"format": 1, "name": "mine", "model": model})
    with pytest.raises(InputError, match=r"no setting model\.attention[\s\S]*version that wrote them"):
        load_weights(path)


def test_the_tensors_of_another_form_are_refused(saved):
    path, _ = saved
    model = {**models.describe(CONFIG), "branches": "repvgg"}
    rewrite(path, metadata={"format": 1, "name": "mine", "model": model})
    with pytest.raises(InputError, match="lacks"):
        load_weights(path)


def test_another_architecture_is_refused_with_the_difference(saved):
    path, _ = saved
    with pytest.raises(InputError, match="blocks is 1, asked for 2"):
        load_weights(path, PiperSRConfig(blocks=2, channels=4))


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\x00" * 64])
def test_files_of_another_kind_are_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable safetensors file") as caught:
        load_weights(path)
    assert "or weights by others in a file called" in str(caught.value.fix)


def test_a_truncated_file_and_a_missing_file_are_refused(saved, tmp_path):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="safetensors"):
        load_weights(path)
    with pytest.raises(InputError, match="no such weights"):
        load_weights(tmp_path / "none.safetensors")


def test_weights_without_metadata_are_refused(saved):
    path, _ = saved
    save_file(load_file(path), path)
    with pytest.raises(InputError, match="does not say which network"):
        load_weights(path)


def test_folders_and_checkpoints_are_told_apart_from_weights(tmp_path):
    with pytest.raises(InputError, match="this is a folder"):
        load_weights(tmp_path)
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(InputError, match="a checkpoint is no weights file") as caught:
        load_weights(tmp_path / "last.ckpt")
    assert "weights.safetensors" in str(caught.value)
