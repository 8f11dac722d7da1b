import hashlib
import shutil

import numpy as np
import pytest

from pipersr_build import evidence, files
from pipersr_build.cli import main
from pipersr_build.commands import about, export, packages, placing, reproduce
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.evidence import Training
from pipersr_build.models.weights import load_weights


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    """An export of the small network: an image package, and a bundle of two sizes."""
    root = tmp_path_factory.mktemp("root")
    common = ["name=small", f"exports={root}", f"weights={tiny.weights}", "evaluation.protocol=y_float",
              "placement.gate=can"]  # fmt: skip
    assert main(["export", *common, "export.video.size=[24x16,32x20]", "bundle=video"]) == 0
    return root / "small"


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "small")


def test_the_functions_of_a_bundle_have_records_and_gates_of_their_own(exported):
    record = evidence.load(exported / placing.EVIDENCE)
    labels = ["video_bundle.mlpackage:upscale_24x16", "video_bundle.mlpackage:upscale_32x20"]
    assert [package.label for package in record.packages] == labels
    assert [package.target for package in record.packages] == ["macOS15"] * 2
    for label in labels:
        named = {gate.name for gate in record.gates if gate.subject == label and gate.verdict == "pass"}
        assert {"parity, interpreter fp16", "batch norms left"} <= named
    assert "functionName" in (exported / placing.CARD).read_text()


def test_the_sums_cover_every_file(exported):
    lines = (exported / placing.SUMS).read_text().splitlines()
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert {line.partition("  ")[2] for line in lines} == files - {placing.SUMS}


def test_made_again_from_its_own_folder_an_export_is_the_same(copied, capsys):
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    assert main(["export", "--check", str(copied)]) == 0
    assert "the same bytes" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before


def test_a_changed_package_is_named_with_its_file(copied, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    weights = copied / "video_bundle.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(weights.read_bytes() + b"x")
    assert main(["export", "--check", str(copied)]) == 1
    shown = capsys.readouterr().out
    assert "weights/weight.bin differs" in shown
    assert "weight.bin was changed since the export (SHA256SUMS)" in shown


def test_an_export_in_a_folder_that_cannot_be_written_to_is_checked(copied, monkeypatch):
    def refuse(_):
        raise AssertionError("nothing is to be written there")

    monkeypatch.setattr(files, "staging", refuse)
    words, _ = reproduce.asked(["--check", str(copied)])
    assert export.preflight(load(words), writes=False)


def test_a_missing_package_is_named(copied, capsys):
    shutil.rmtree(copied / "video_bundle.mlpackage")
    assert main(["export", "--check", str(copied)]) == 1
    assert "is not there" in capsys.readouterr().out


def test_without_an_export_there_is_nothing_to_compare_with(tiny, tmp_path, capsys):
    assert main(["export", "check=true", "name=none", f"exports={tmp_path}", f"weights={tiny.weights}"]) == 2
    assert "no evidence file" in capsys.readouterr().err


def test_a_folder_that_is_no_export_is_named(tmp_path, capsys):
    assert main(["export", "--check", str(tmp_path)]) == 2
    assert "no evidence file" in capsys.readouterr().err


def test_a_file_that_is_gone_or_changed_is_told_by_the_sums(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    placing.write_sums(tmp_path)
    assert placing.changed(tmp_path) == {}
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("other")
    assert placing.changed(tmp_path) == {"a": "is missing", "b": "was changed"}
    (tmp_path / placing.SUMS).unlink()
    assert placing.changed(tmp_path) == {placing.SUMS: "is missing"}


def test_the_short_form_of_a_bundle_chooses_what_it_needs():
    assert export.bundled(["bundle=video", "name=x"]) == [
        "name=x", "export=video", "target=macos15", "export.video.bundle=true"
    ]  # fmt: skip
    kept = ["export=all", "target=ios26"]
    assert export.bundled([*kept, "bundle=video"]) == [*kept, "export.video.bundle=true"]
    assert export.bundled(["name=x"]) == ["name=x"]
    with pytest.raises(InputError, match="bundle=image"):
        export.bundled(["bundle=image"])


def test_an_older_target_is_refused_before_anything_is_made():
    with pytest.raises(InputError, match="macOS13 cannot run that"):
        export.preflight(load(["export.video.bundle=true"]))


@pytest.mark.parametrize(("word", "expected"), [("--check", True), ("check=true", True), ("name=x", False)])
def test_the_word_is_taken_out(word, expected):
    assert reproduce.asked(["seed=1", word]) == (["seed=1", word][: 1 + (not expected)], expected)


TRAINED = {
    "steps": 1, "seconds": 1.0, "precision": "fp32", "device": "cpu", "threads": 1, "seed": 0, "loss": "l1",
    "patch": 8, "batch": 2, "corpus": "c", "train_images": [], "holdout_images": [], "protocol": "y_float",
    "curve": [], "validation": [], "weights_sha256": "0",
}  # fmt: skip


def test_the_training_records_hash_is_its_contents_and_not_its_defaults():
    first = Training(**TRAINED)
    assert about.training_sha256(first) == about.training_sha256(Training(**TRAINED, ema=0.0))
    assert about.training_sha256(first) != about.training_sha256(Training(**{**TRAINED, "seed": 1}))
    slower = Training(**{**TRAINED, "seconds": 99.0, "before": Training(**{**TRAINED, "seconds": 5.0})})
    quicker = Training(**{**TRAINED, "seconds": 1.0, "before": Training(**{**TRAINED, "seconds": 6.0})})
    assert about.training_sha256(slower) == about.training_sha256(quicker) != about.training_sha256(first)
    assert about.training_sha256(first) == about.training_sha256(
        Training.model_validate_json(first.model_dump_json())
    )


def test_weights_in_an_export_bring_its_training_record(exported, tmp_path):
    record = evidence.load(exported / placing.EVIDENCE)
    trained = Training(**{**TRAINED, "weights_sha256": record.weights_sha256})
    shutil.copy(exported / placing.WEIGHTS, tmp_path)
    weights = load_weights(tmp_path / placing.WEIGHTS)
    assert about.training_of(weights) is None
    evidence.save(record.model_copy(update={"training": trained}), tmp_path / placing.EVIDENCE)
    assert about.training_of(weights) == trained
    evidence.save(
        record.model_copy(update={"training": trained, "weights_sha256": "other"}),
        tmp_path / placing.EVIDENCE,
    )
    assert about.training_of(weights) is None


def test_what_a_package_says_of_the_licence(tiny):
    network = load_weights(tiny.weights).config
    assert about.about(load([]), network, None, "d").licence == "Apache-2.0"
    said = about.about(
        load(["export.licence=MIT", "export.author=me", "export.version=2"]), network, None, "d"
    )
    assert (said.licence, said.author, said.version) == ("MIT", "me", "2")
    assert said.values["pipersr_build.weights_sha256"] == "d"


def test_upscale_takes_the_function_whose_size_fits(exported):
    settings = load([f"upscale.package={exported / 'video_bundle.mlpackage'}"]).upscale
    upscalers = Upscalers(settings)
    frame = np.zeros((20, 32, 3), np.uint8)
    fitting = upscalers.frames(20, 32)
    assert fitting.tile == (20, 32)
    assert fitting.upscale(frame).shape == (40, 64, 3)
    assert upscalers.frames(16, 24).tile == (16, 24)


def test_a_bundle_is_one_package_of_its_export(exported):
    assert packages.find([exported], "verify") == [exported / "video_bundle.mlpackage"]


def test_a_second_export_beside_a_bundle_keeps_it_with_its_records(copied, tiny):
    words = [f"weights={tiny.weights}", "name=small", f"exports={copied.parent}", "export=video",
             "export.video.size=24x16", "placement.gate=can"]  # fmt: skip
    assert main(["export", *words]) == 0
    record = evidence.load(copied / placing.EVIDENCE)
    assert [package.function for package in record.packages] == ["", "upscale_24x16", "upscale_32x20"]
    assert "video_bundle.mlpackage:upscale_32x20" in {gate.subject for gate in record.gates}
    assert "video_bundle.mlpackage" in {gate.subject for gate in record.gates}
    assert placing.changed(copied) == {}
