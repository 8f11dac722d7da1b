"""The main job at debug size, as a user runs it."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pipersr_build import cli, evidence, files, models
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import save_weights

PACKAGES = ["image_96", "video_64x36", "video_85x48", "video_96x54"]


def test_it_passes_its_gates_and_leaves_everything(debug_run):
    folder, done = debug_run
    assert done.returncode == 0, done.stderr
    made = sorted(entry.name for entry in (folder / "exports" / "debug").iterdir())
    assert made == sorted(
        [
            *(f"{name}.mlpackage" for name in PACKAGES),
            *(f"{name}.swift" for name in PACKAGES[1:]),
            "MODEL_CARD.md",
            "SHA256SUMS",
            "evidence.json",
            "report.html",
            "samples",
            "weights.safetensors",
        ]
    )
    assert sorted(entry.name for entry in (folder / "exports").iterdir()) == ["debug"]


def test_it_shows_quality_gates_and_what_a_mac_would_measure(debug_run):
    _, done = debug_run
    assert "bicubic" in done.stderr
    for name in PACKAGES:
        assert done.stdout.count(name) >= 5
    assert "not measured" in done.stdout
    assert "pipersr-build verify" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_evidence_agrees_with_the_packages_on_disk(debug_run):
    folder, _ = debug_run
    export = folder / "exports" / "debug"
    record = evidence.load(export / "evidence.json")
    assert record.failed == []
    for package in record.packages:
        path = export / package.file
        assert files.sha256(path) == package.sha256
        assert census(open_package(path).main) == package.census
        assert {parity.input for parity in package.parity} == {"random", "chelsea", "coffee"}
        assert len(package.placement.operations) == sum(package.census.values())
    assert files.sha256(export / "weights.safetensors") == record.weights_sha256
    totals = {c.io: (sum(c.before.values()), sum(c.after.values())) for c in record.censuses}
    assert totals == {"float32 tensors": (42, 30), "float16 tensors": (40, 28)}
    assert record.fusion.batch_norms_folded == 12
    assert record.training.steps == 6


def test_every_gate_has_its_command_and_predictions_are_called_so(debug_run):
    record = evidence.load(debug_run[0] / "exports" / "debug" / "evidence.json")
    assert all(gate.command.startswith("pipersr-build ") for gate in record.gates)
    predicted = [gate for gate in record.gates if gate.source == "predicted"]
    assert len(predicted) == 4
    if sys.platform != "darwin":
        unmeasured = [gate for gate in record.gates if gate.source == "not measured"]
        assert len(unmeasured) == 8
        assert {gate.verdict for gate in unmeasured} == {"not measured"}


def test_two_runs_give_identical_weights_and_packages(debug_run, pipersr_build, tmp_path):
    folder, _ = debug_run
    assert pipersr_build(tmp_path, "run", "experiment=debug").returncode == 0
    for name in ["weights.safetensors", *(f"{name}.mlpackage" for name in PACKAGES)]:
        first, second = (base / "exports" / "debug" / name for base in (folder, tmp_path))
        assert files.sha256(first) == files.sha256(second), name


def copy_of(debug_run, tmp_path):
    shutil.copytree(debug_run[0], tmp_path / "copy")
    return tmp_path / "copy"


def test_a_package_of_any_size_joins_the_export(debug_run, tmp_path, monkeypatch):
    folder = copy_of(debug_run, tmp_path)
    monkeypatch.chdir(folder)
    words = ["export", "weights=runs/debug/weights.safetensors", "export=video", "export.video.size=72x40"]
    assert cli.main(words) == 0
    export = folder / "exports" / "debug"
    package = open_package(export / "video_72x40.mlpackage")
    assert package.interface.inputs[0].shape == (1, 3, 40, 72)
    assert package.interface.outputs[0].shape == (1, 3, 80, 144)
    record = evidence.load(export / "evidence.json")
    assert {p.file.removesuffix(".mlpackage") for p in record.packages} == {*PACKAGES, "video_72x40"}
    assert len(record.quality) == 2
    assert all((export / sample.ours).is_file() for sample in record.samples)
    assert len(record.samples) == 3


def test_a_package_that_is_no_longer_what_was_checked_is_not_kept(debug_run, tmp_path, monkeypatch, capfd):
    folder = copy_of(debug_run, tmp_path)
    monkeypatch.chdir(folder)
    weights = folder / "exports/debug/video_64x36.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(weights.read_bytes()[:-64] + bytes(64))
    words = ["export", "weights=runs/debug/weights.safetensors", "export=video", "export.video.size=72x40"]
    assert cli.main(words) == 0
    assert "not kept" in capfd.readouterr().err
    record = evidence.load(folder / "exports/debug/evidence.json")
    assert "video_64x36.mlpackage" not in {package.file for package in record.packages}
    assert not (folder / "exports/debug/video_64x36.mlpackage").exists()


def test_weights_of_another_scale_are_exported_as_what_they_are(tmp_path, monkeypatch):
    config = PiperSRConfig(blocks=1, channels=8, scale=3, activation="relu")
    save_weights(tmp_path / "w.safetensors", models.build(config), config, "triple")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "weights=w.safetensors", "experiment=debug", "export=image"]) == 0
    record = evidence.load(tmp_path / "exports/triple/evidence.json")
    assert record.config["model"] == record.model == models.describe(config)
    assert [(row.scale, row.dataset) for row in record.quality] == [(3, "photos, held out")] * 2
    assert open_package(tmp_path / "exports/triple/image_96.mlpackage").interface.outputs[0].shape == (
        288,
        288,
        3,
    )


def test_verify_validate_evaluate_and_report_work_on_the_export(debug_run, tmp_path, monkeypatch):
    monkeypatch.chdir(copy_of(debug_run, tmp_path))
    for words in (
        ["verify", "exports/debug", "placement.gate=can"],
        ["validate", "exports/debug/video_64x36.mlpackage"],
        ["evaluate", "exports/debug/image_96.mlpackage", "experiment=debug"],
        ["report", "exports/debug"],
    ):
        assert cli.main(words) == 0, words


def test_a_damaged_package_fails_validation_by_its_numbers(debug_run, tmp_path, monkeypatch, capfd):
    folder = copy_of(debug_run, tmp_path)
    monkeypatch.chdir(folder)
    blob = folder / "exports/debug/video_64x36.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    data = bytearray(blob.read_bytes())
    data[128:2176] = bytes(2048)  # half the head zeroed: still a package, no longer this network
    blob.write_bytes(data)
    assert cli.main(["validate", "exports/debug/video_64x36.mlpackage"]) == 1
    assert "fail" in capfd.readouterr().out


def test_a_failed_gate_leaves_evidence_and_no_package(debug_run, tmp_path, monkeypatch):
    from pipersr_build.validation import parity

    folder = copy_of(debug_run, tmp_path)
    before = files.sha256(folder / "exports" / "debug")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(parity, "MIN_PSNR_DB", 300.0)
    words = ["export", "weights=runs/debug/weights.safetensors", "export=video", "export.video.size=64x36"]
    assert cli.main(words) == 1
    failed = folder / "exports" / "debug.failed"
    assert not list(failed.glob("*.mlpackage"))
    assert [gate.name for gate in evidence.load(failed / "evidence.json").failed] == [
        "parity, interpreter fp16"
    ]
    assert files.sha256(folder / "exports" / "debug") == before


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_saves_a_checkpoint_and_resuming_gives_the_same_weights(pipersr_build, tmp_path):
    size = ["model.blocks=2", "model.channels=24", "training.validate_every=4"]
    words = ["train", "experiment=debug", *size, "training.steps=12", "training.checkpoint_every=3"]
    straight = tmp_path / "straight"
    straight.mkdir()
    assert pipersr_build(straight, *words).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "pipersr_build", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "runs" / "debug" / "last.ckpt", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "checkpoint is saved" in errors
    run = tmp_path / "runs" / "debug"
    assert (run / "last.ckpt").is_file()
    assert not (run / "weights.safetensors").exists()
    resumed = pipersr_build(tmp_path, *words)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming" in resumed.stderr
    one, two = (folder / "runs" / "debug" / "weights.safetensors" for folder in (straight, tmp_path))
    assert one.read_bytes() == two.read_bytes()
    assert not (run / "last.ckpt").exists()


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
