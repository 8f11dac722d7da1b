"""Wrong input gives one clear message, exit code 2, no traceback, and leaves nothing half-written."""

import resource
import shutil

import numpy as np
import pytest
from PIL import Image

from pipersr_build import cli, models
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import save_weights


@pytest.fixture
def export(debug_run, tmp_path):
    """A private copy of the debug export and its run."""
    shutil.copytree(debug_run[0], tmp_path / "work")
    return tmp_path / "work"


def refused(capsys, words, *expected):
    """Run a command that must be refused; return its message."""
    code = cli.main([str(word) for word in words])
    message = capsys.readouterr().err
    assert code == 2, message
    assert "error: " in message
    assert "Traceback" not in message
    for text in expected:
        assert str(text) in message, message
    return message


WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
MODEL = "Data/com.apple.CoreML/model.mlmodel"


def lacks(name):
    return lambda package: (package / name).unlink()


def cut(name):
    def change(package):
        data = (package / name).read_bytes()
        (package / name).write_bytes(data[: len(data) // 2])

    return change


def as_file(package):
    shutil.rmtree(package)
    package.write_bytes(b"zip")


def empty(package):
    shutil.rmtree(package)
    package.mkdir()


DAMAGES = {
    "a file": (as_file, "folder"),
    "empty": (empty, "Manifest.json"),
    "no model": (lacks(MODEL), "model.mlmodel"),
    "no weights": (lacks(WEIGHTS), "weight"),
    "half the weights": (cut(WEIGHTS), "weight"),
    "half the model": (cut(MODEL), "model"),
    "missing": (shutil.rmtree, "no such package"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["verify", "validate", "evaluate"])
def test_damaged_packages(export, capsys, command, damage):
    change, names = DAMAGES[damage]
    package = export / "exports/debug/image_96.mlpackage"
    change(package)
    refused(capsys, [command, package], names, "image_96.mlpackage")


def test_weights_of_another_architecture(export, capsys):
    weights = export / "runs/debug/weights.safetensors"
    refused(
        capsys,
        ["export", f"weights={weights}", "model=pipersr_4x", f"exports={export}/other"],
        "another architecture",
        "scale is 2, asked for 4",
    )
    assert not (export / "other").exists()


def test_validating_with_weights_of_another_scale(export, capsys, tmp_path):
    config = PiperSRConfig(blocks=1, channels=8, scale=4)
    save_weights(tmp_path / "w.safetensors", models.build(config), config, "x")
    refused(
        capsys,
        ["validate", export / "exports/debug", f"weights={tmp_path}/w.safetensors"],
        "the package gives",
    )


def test_a_damaged_training_record(export, capsys):
    (export / "runs/debug/training.json").write_text("{}")
    refused(
        capsys,
        ["export", f"weights={export}/runs/debug/weights.safetensors", f"exports={export}/e"],
        "training.json",
    )


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("export.image.tile=16", "halo"),
        ("export.video.size=bogus", "bogus"),
        ("placement.chip=h99", "h99"),
        ("evaluation.folder=nowhere", "nowhere"),
    ],
)
def test_settings_of_later_stages_are_refused_before_training(
    setting, expected, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    refused(capsys, ["run", "experiment=debug", setting], expected)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", f"name={'a' * 300}"], "name"),
        (["export", "model.blocks=3"], "none come with the toolkit"),
        (["export", "weights=none.safetensors"], "none.safetensors"),
        (["verify"], "no package"),
        (["validate", "nowhere"], "nowhere"),
        (["evaluate"], "nothing to evaluate"),
        (["report"], "no export folder"),
        (["report", "nowhere"], "nowhere"),
        (["train", "training.stepz=1"], "stepz"),
        (["train", "training.steps=few"], "few"),
        (["run", "experiment=none"], "none"),
        (["bench", "speed"], "speed"),
    ],
)
def test_missing_and_misspelt_words(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capsys, words, expected)
    assert list(tmp_path.iterdir()) == []


def picture(path, size=(64, 64), mode="RGB"):
    noise = np.random.default_rng(list(path.name.encode())).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)


def train_on(folder, work):
    return [
        "train",
        "experiment=debug",
        "data=folder",
        f"data.folder={folder}",
        "data.holdout=1",
        f"runs={work}/runs",
    ]


def broken_png(folder):
    picture(folder / "a.png")
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(data[: len(data) // 2])


def text_as_png(folder):
    (folder / "a.png").write_text("this is no image")


def one_pixel(folder):
    picture(folder / "a.png", (1, 1))


def smaller_than_a_patch(folder):
    picture(folder / "a.png", (31, 64))


def transparent(folder):
    picture(folder / "a.png", mode="RGBA")
    image = Image.open(folder / "a.png")
    image.putalpha(100)
    image.save(folder / "a.png")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (broken_png, "a.png"),
        (text_as_png, "a.png"),
        (one_pixel, "1x1"),
        (smaller_than_a_patch, "64x31"),
        (transparent, "a.png"),
        (lambda folder: shutil.rmtree(folder), "pictures"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "pictures"),
    ],
)
def test_pictures_that_cannot_be_trained_on(make, expected, capsys, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("b.png", "c.png"):
        picture(folder / name)
    make(folder)
    refused(capsys, train_on(folder, tmp_path), expected)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_pictures_of_other_kinds_are_converted(mode, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture(folder / ("a.jpg" if mode == "CMYK" else "a.png"), mode=mode)
    for name in ("b.png", "c.png"):
        picture(folder / name)
    assert cli.main([*train_on(folder, tmp_path), "training.steps=1"]) == 0


@pytest.mark.parametrize("command", ["run", "train"])
def test_an_output_folder_that_cannot_be_made(command, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    refused(
        capsys,
        [command, "experiment=debug", f"runs={tmp_path}/file/runs", f"exports={tmp_path}/file/exports"],
        "a file stands where a folder is needed",
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_an_exports_folder_that_is_something_else_is_not_touched(export, capsys, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    refused(
        capsys,
        ["export", f"weights={export}/runs/debug/weights.safetensors", f"exports={tmp_path}", "name=home"],
        "is not an export",
    )
    assert [entry.name for entry in (tmp_path / "home").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "experiment=debug", "model.blocks=2", "training.steps=1", "training.validate_every=1"],
        ["export", "weights=w.safetensors", "export=video", "export.video.size=64x36"],
    ],
)
def test_a_disk_that_fills_up_while_writing(words, debug_run, pipersr_build, tmp_path):
    shutil.copy(debug_run[0] / "runs/debug/weights.safetensors", tmp_path / "w.safetensors")

    def limit():  # no file may grow beyond 300 kB: weights and packages cannot be written
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = pipersr_build(tmp_path, *words, preexec_fn=limit, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    left = [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name != "settings.json"]
    assert left == ["w.safetensors"]
