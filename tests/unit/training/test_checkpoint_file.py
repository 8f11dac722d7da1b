import json
import shutil

import pytest
import torch
from training_stops import At, StoppedError

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import load_weights
from pipersr_build.training.checkpoint_file import FORMAT, MARK, check, load_network, newest
from pipersr_build.training.names import LAST, PREVIOUS, SETTINGS


def write(path, step, **more):
    torch.save({"global_step": step, "state_dict": {"network.w": torch.arange(4000.0)}, **more}, path)


@pytest.fixture
def both(tmp_path):
    write(tmp_path / LAST, 20)
    write(tmp_path / PREVIOUS, 10)
    return tmp_path


def flip(path, part):
    data = bytearray(path.read_bytes())
    data[int(part * len(data))] ^= 0x10
    path.write_bytes(data)


def cut(path, part):
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def other_archive(path, _):
    torch.save({"weights": 1}, path)


def pickled(path, _):
    torch.save({"global_step": 3, "extra": SystemExit}, path)


def test_the_newest_is_the_last(both, capfd):
    assert newest(both) == (both / LAST, 20)
    assert capfd.readouterr().err == ""


def test_none_is_none(tmp_path):
    assert newest(tmp_path) is None
    assert newest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("damage", [flip, cut, other_archive, pickled])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(both, damage, part, capfd):
    damage(both / LAST, part)
    before = (both / LAST).read_bytes()
    assert newest(both) == (both / PREVIOUS, 10)
    said = " ".join(capfd.readouterr().err.split())
    assert LAST in said
    assert f"going on from {PREVIOUS}, the one before" in said
    assert (both / LAST).read_bytes() == before


def test_the_one_before_is_taken_where_the_last_was_not_renamed_yet(both):
    (both / LAST).unlink()
    assert newest(both) == (both / PREVIOUS, 10)


def test_two_damaged_checkpoints_are_an_error_and_left_alone(both):
    cut(both / LAST, 0.5)
    flip(both / PREVIOUS, 0.5)
    with pytest.raises(
        InputError, match=r"no checkpoint can be read: last\.ckpt .*, previous\.ckpt"
    ) as caught:
        newest(both)
    assert caught.value.exit_code == 2
    assert (both / LAST).exists()
    assert (both / PREVIOUS).exists()


NETWORK = models.build(PiperSRConfig(blocks=1, channels=4))


def checkpoint(path, network, **more):
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({"global_step": 3, "state_dict": tensors, **more}, path)
    return path


@pytest.mark.parametrize("mark", [{}, {MARK: {"format": FORMAT, "version": "9.9"}}])
def test_a_checkpoint_of_this_network_is_taken(tmp_path, mark):
    check(checkpoint(tmp_path / LAST, NETWORK, **mark), NETWORK)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (PiperSRConfig(blocks=2, channels=4), r"body\.1\..* is only in the checkpoint"),
        (PiperSRConfig(blocks=1, channels=4, norm="none"), r"norm1\..* is only in the network"),
        (PiperSRConfig(blocks=1, channels=6), r"is \(6, .*\), not \(4, .*and \d+ more"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_its_keys(tmp_path, other, named):
    path = checkpoint(tmp_path / LAST, models.build(other))
    with pytest.raises(InputError, match="the checkpoint is of another network") as caught:
        check(path, NETWORK)
    assert caught.match(named)
    assert caught.value.exit_code == 2


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    path = checkpoint(tmp_path / LAST, NETWORK, **{MARK: {"format": FORMAT + 1}})
    with pytest.raises(InputError, match=f"format {FORMAT + 1}, this version reads {FORMAT}"):
        check(path, NETWORK)


def test_a_checkpoint_of_another_network_stops_the_run_and_stays(configured, trained, tmp_path):
    config = configured()
    folder = tmp_path / "runs" / "debug"
    folder.mkdir(parents=True)
    from pipersr_build.training.folder import prepare

    prepare(config)
    path = checkpoint(folder / LAST, NETWORK)
    before = path.read_bytes()
    with pytest.raises(InputError, match="of another network"):
        trained(config)
    assert path.read_bytes() == before


@pytest.fixture
def interrupted(configured, trained, tmp_path):
    """The folder of a run that stopped, with what is judged at its last validation in best/."""

    def make(*overrides):
        config = configured("training.checkpoint_every=3", *overrides)
        with pytest.raises(StoppedError):
            trained(config, At(5))
        return tmp_path / "runs" / "debug"

    return make


@pytest.mark.parametrize(
    "overrides", [[], ["training.ema=0.9"], ["training.form=folded", "training.ema=0.5"]]
)
def test_the_network_of_a_checkpoint_is_the_one_that_was_judged(interrupted, overrides):
    folder = interrupted(*overrides)
    network, config = load_network(folder / LAST)
    best = load_weights(folder / "best" / "0000003.safetensors")
    assert config == best.config
    assert config.norm == ("none" if "training.form=folded" in overrides else "batch")
    assert not network.training
    for key, value in best.network.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)


def test_a_checkpoint_alone_says_what_it_lacks(interrupted, tmp_path):
    folder = interrupted()
    shutil.copy(folder / LAST, tmp_path / "alone.ckpt")
    with pytest.raises(InputError, match="cannot be used") as caught:
        load_network(tmp_path / "alone.ckpt")
    assert caught.value.where.endswith(SETTINGS)
    with pytest.raises(InputError, match="no such checkpoint"):
        load_network(tmp_path / "none.ckpt")


def test_settings_of_another_network_and_damage_are_named(interrupted):
    folder = interrupted()
    settings = json.loads((folder / SETTINGS).read_text())
    settings["model"]["channels"] = 12
    (folder / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(InputError, match="of another network"):
        load_network(folder / LAST)
    settings["model"]["wings"] = 2
    (folder / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(InputError, match="wings"):
        load_network(folder / LAST)
    del settings["model"]["wings"]
    (folder / SETTINGS).write_text(json.dumps(settings))
    cut(folder / LAST, 0.5)
    with pytest.raises(InputError, match="the checkpoint cannot be read"):
        load_network(folder / LAST)


def test_a_file_of_torch_that_is_no_mapping_is_refused(tmp_path):
    settings = {"model": {"family": "pipersr", "blocks": 1, "channels": 4}, "training": {"form": "as_is"}}
    (tmp_path / SETTINGS).write_text(json.dumps(settings))
    torch.save([1, 2], tmp_path / LAST)
    with pytest.raises(InputError, match="the checkpoint cannot be read"):
        load_network(tmp_path / LAST)
