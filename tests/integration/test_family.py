"""Networks of the family through the commands, at debug size: train, export, verify, validate."""

import pytest

from pipersr_build import cli
from pipersr_build.evidence import Evidence

DEBUG = ["experiment=debug", "training.steps=2", "training.validate_every=2", "training.threads=1",
         "export.video.size=48x40"]  # fmt: skip

# what `model=` says, made smaller where the network is large, and how many times larger its pictures are
NETWORKS = {
    "quicksrnet_small_1.5x": ([], 1.5),
    "span_s_2x": (["model.channels=16"], 2),
    "fsrcnn_3x": ([], 3),
    "control_rms_norm": (["model.blocks=1", "model.channels=16"], 2),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(capsys, *words):
    """Run a command that must succeed; return what it printed."""
    code = cli.main(list(words))
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    return said.out


def record_of(export):
    return Evidence.model_validate_json((export / "evidence.json").read_text())


def judged(export):
    """The gates of an export, after checking that everything that can be measured here passed."""
    record = record_of(export)
    found = {(gate.name, gate.subject): gate.verdict for gate in record.gates}
    assert "fail" not in found.values()
    packages = [package.file for package in record.packages]
    assert packages == ["image_96.mlpackage", "video_48x40.mlpackage"]
    parity = [verdict for (name, _), verdict in found.items() if name == "parity, interpreter fp16"]
    assert parity == ["pass"] * len(packages)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_exported_verified_and_validated(name, folder, capsys):
    settings, scale = NETWORKS[name]
    ran(capsys, "run", *DEBUG, f"model={name}", "name=x", *settings)
    found = judged(folder / "exports/x")
    record = record_of(folder / "exports/x")
    assert record.model["family"] == name.split("_")[0].replace("control", "pipersr_control")
    assert record.model["scale"] == scale
    placed = {verdict for (gate, _), verdict in found.items() if gate == "ANE can run all operations"}
    unsure = placed != {"pass"}
    assert cli.main(["verify", "exports/x", "placement.gate=can"]) == unsure
    assert ("not every operation can run" in capsys.readouterr().out) == unsure
    ran(capsys, "validate", "exports/x")


def test_four_times_from_the_weights_of_two_times(folder, capsys):
    small = ["model.blocks=1", "model.channels=16"]
    ran(capsys, "train", *DEBUG, "model=pipersr_2x", *small, "name=two")
    initial = "training.initial=runs/two/weights.safetensors"
    ran(capsys, "run", *DEBUG, "model=pipersr_4x", *small, initial, "name=four")
    judged(folder / "exports/four")
    assert record_of(folder / "exports/four").model["scale"] == 4


def test_a_size_that_windows_do_not_divide_is_refused_before_training(folder, capsys):
    code = cli.main(["run", "experiment=debug", "model=control_window_attention"])
    message = capsys.readouterr().err
    assert code == 2
    assert "does not take 64x36" in message
    assert "multiples of 8" in message
    assert not list(folder.iterdir())
