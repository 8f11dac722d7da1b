import importlib.util
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipersr_build import cli, files
from pipersr_build.commands import evaluate
from pipersr_build.data.images import save_png
from pipersr_build.data.resize import downscale
from pipersr_build.errors import InputError
from pipersr_build.evaluation import record
from pipersr_build.evaluation.protocol import PROTOCOLS


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two test sets in `sets` and a wide terminal."""
    random = np.random.default_rng(0)
    for name, size in (("first", (40, 36)), ("second", (44, 50))):
        for picture in "ab":
            coarse = random.integers(0, 256, (size[0] // 4, size[1] // 2, 3), dtype=np.uint8)
            hr = coarse.repeat(4, axis=0).repeat(2, axis=1)
            save_png(tmp_path / "sets" / name / "HR" / f"{picture}.png", hr)
            save_png(tmp_path / "sets" / name / "LRx2" / f"{picture}.png", downscale(hr, 2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def run(*words: object) -> int:
    return cli.main(["evaluate", *map(str, words)])


def refused(capsys: pytest.CaptureFixture[str], words: list[object], *expected: str) -> None:
    """Exit code 2, one message with the expected words, nothing written."""
    before = sorted(Path().rglob("*"))
    assert run(*words) == 2
    message = capsys.readouterr().err.partition("error: ")[2]
    assert message
    for word in expected:
        assert word in message
    assert len(message.splitlines()) <= 3
    assert sorted(Path().rglob("*")) == before


def test_everything_is_measured_and_recorded(
    tiny: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [tiny.image, tiny.video, tiny.weights, "bicubic", "evaluation.folder=[sets/first,sets/second]"]
    assert run(*words, "evaluation.protocol=all", "evaluation.out=out") == 0
    found = record.load(Path("out/quality.json"))
    names = ["bicubic", "image_24.mlpackage", "video_v.mlpackage", "weights.safetensors"]
    assert [subject.name for subject in found.subjects] == names
    assert [(p.name, p.count, p.lr) for p in found.pictures] == [
        ("first", 2, "shipped"),
        ("second", 2, "shipped"),
    ]
    assert [(q.dataset, q.protocol, q.subject) for q in found.quality] == [
        (dataset, protocol, name)
        for dataset in ("first", "second")
        for protocol in PROTOCOLS
        for name in names
    ]
    scores = {(q.dataset, q.protocol, q.subject): q for q in found.quality}
    for (dataset, protocol, name), quality in scores.items():
        assert [image.image for image in quality.images] == ["a", "b"]
        assert quality.mean_psnr == pytest.approx(np.mean([image.psnr for image in quality.images]))
        if name.endswith("mlpackage"):  # a package computes what its weights do
            assert quality.mean_psnr == pytest.approx(
                scores[dataset, protocol, names[-1]].mean_psnr, abs=0.05
            )
    printed = capsys.readouterr().out
    assert "first, 2x, rgb_uint8: PSNR (dB), SSIM" in printed
    assert f"{scores['second', 'y_uint8', 'bicubic'].mean_psnr:.3f}" in printed
    assert "out/quality.json, out/quality.svg" in printed


def test_subjects_and_provenance_are_told(work: Path, tiny: SimpleNamespace) -> None:
    assert run(tiny.image, tiny.weights, f"evaluation.folder={work / 'sets'}", "evaluation.out=out") == 0
    found = record.load(Path("out/quality.json"))
    bicubic, image, weights = found.subjects
    assert (bicubic.kind, bicubic.parameters, bicubic.sha256) == ("bicubic", None, "")
    assert (image.kind, image.sha256, image.config["contract"]) == (
        "package",
        files.sha256(tiny.image),
        "image",
    )
    assert image.runner == "MIL interpreter, fp16, tiles of 24x24"
    assert image.config["inputs"][0]["shape"] == [24, 24, 3]
    assert (weights.kind, weights.sha256, weights.scale) == ("weights", files.sha256(tiny.weights), 2)
    assert weights.config["channels"] == 6
    assert weights.parameters is not None
    assert image.parameters is not None
    assert weights.parameters - image.parameters == 4 * 6  # two batch norms' gains and offsets
    assert found.provenance.command.startswith("pipersr-build evaluate image_24.mlpackage")
    assert str(work) not in Path("out/quality.json").read_text()
    assert {p.name for p in Path("out").iterdir()} == {"quality.json", "quality.svg"}
    ET.parse("out/quality.svg")


@pytest.mark.parametrize(
    ("words", "name", "count", "lr"),
    [
        (["evaluation.folder=sets/first"], "first", 2, "shipped"),
        (["evaluation.folder=sets/first/HR"], "first", 2, "made"),
        (["evaluation.hr=sets/first/HR", "evaluation.lr=sets/first/LRx2"], "first", 2, "shipped"),
        (["evaluation.hr=sets/first/HR"], "first", 2, "made"),
        (["evaluation.folder=[sets/first,./sets/first/]"], "first", 2, "shipped"),
    ],
)
def test_pictures_can_be_given_in_several_ways(
    work: Path, words: list[str], name: str, count: int, lr: str
) -> None:
    assert run("bicubic", *words) == 0
    found = record.load(work / "runs" / "evaluation" / "bicubic" / "quality.json")
    assert [(p.name, p.count, p.lr) for p in found.pictures] == [(name, count, lr)]
    assert [(q.subject, q.protocol) for q in found.quality] == [("bicubic", "y_float")]


def test_bicubic_takes_the_configured_scale(work: Path) -> None:
    assert run("bicubic", "evaluation.folder=sets/first", "model.scale=3") == 0
    found = record.load(work / "runs/evaluation/bicubic/quality.json")
    assert [(q.scale, p.lr) for q, p in zip(found.quality, found.pictures, strict=True)] == [(3, "made")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["nothing to evaluate"]),
        (["bicubic", "evaluation.folder=nowhere"], ["no such folder", "nowhere"]),
        (["bicubic", "evaluation.folder=empty"], ["holds no images", "empty"]),
        (["bicubic", "evaluation.folder=[]"], ["evaluation.folder"]),
        (["bicubic", "evaluation.folder={a: 1}"], ["no such folder", "{a: 1}"]),
        (["bicubic", "evaluation.folder=sets", "evaluation.hr=sets"], ["not both"]),
        (["bicubic", "evaluation.lr=sets"], ["evaluation.hr"]),
        (
            ["bicubic", "evaluation.folder=sets", "evaluation.protocol=best"],
            ["evaluation.protocol", "y_uint8", "all"],
        ),
        (
            ["bicubic", "evaluation.hr=sets/first/HR", "evaluation.lr=sets/second/LRx2"],
            ["sets/first/HR/a.png"],
        ),
        (["bicubic", "evaluation.hr=sets/first/HR", "evaluation.lr=odd"], ["no partner", "odd/x.png"]),
        (["bicubic", "evaluation.folder=odd", "model.scale=4"], ["odd/x.png", "the protocols need 19x19"]),
        (["bicubic", "evaluation.folder=sets", "evaluation.out=odd/x.png"], ["odd/x.png", "file stands"]),
        (["bicubic", "evaluation.folder=sets", "evaluation.out=odd/x.png/y"], ["odd/x.png", "file stands"]),
        (["none.mlpackage"], ["none.mlpackage", "no such package"]),
        (["none.safetensors"], ["none.safetensors"]),
        (["none.ckpt"], ["none.ckpt"]),
        (["none"], ["no such file", "none"]),
        (["sets"], ["neither a package nor weights"]),
        (["odd/x.png"], ["neither a package nor weights"]),
    ],
)
def test_bad_input(
    work: Path, capsys: pytest.CaptureFixture[str], words: list[object], expected: list[str]
) -> None:
    (work / "empty").mkdir()
    save_png(work / "odd" / "x.png", np.zeros((18, 18, 3), np.uint8))
    refused(capsys, words, *expected)


def test_a_checkpoint_is_judged_as_its_network(
    work: Path, tiny: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipersr_build.training import checkpoint_file

    (work / "last.ckpt").write_bytes(b"x")
    monkeypatch.setattr(checkpoint_file, "load_network", lambda _: (tiny.network, tiny.network.config))
    assert run("last.ckpt", tiny.weights, "evaluation.folder=sets/first", "evaluation.out=out") == 0
    found = record.load(Path("out/quality.json"))
    bicubic, checkpoint, weights = found.quality
    assert [subject.kind for subject in found.subjects] == ["bicubic", "checkpoint", "weights"]
    assert found.subjects[1].sha256 == files.sha256(work / "last.ckpt")
    assert checkpoint.images == weights.images != bicubic.images


def test_subjects_of_different_scales(
    work: Path, tiny: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipersr_build import models
    from pipersr_build.models.pipersr import PiperSRConfig
    from pipersr_build.models.weights import save_weights

    config = PiperSRConfig(blocks=1, channels=4, scale=3)
    save_weights(work / "w.safetensors", models.build(config), config, "triple")
    refused(
        capsys,
        [tiny.weights, "w.safetensors"],
        "the scales differ",
        "weights.safetensors 2x",
        "w.safetensors 3x",
    )
    words: list[object] = ["w.safetensors", "evaluation.hr=sets/first/HR", "evaluation.lr=sets/first/LRx2"]
    refused(capsys, words, "not 3 times the small one's", "sets/first/HR/a.png")


def test_a_folder_of_packages_names_them(tiny: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, [tiny.image.parent], "image_24.mlpackage, video_v.mlpackage, weights.safetensors")


def test_interruption_leaves_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def interrupted(*arguments: Any) -> Any:
        done.append(arguments[3])
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "measure", interrupted)
    before = sorted(work.rglob("*"))
    assert run("bicubic", "evaluation.folder=sets/first", "evaluation.out=deep/out") == 130
    assert done == ["bicubic"]
    assert sorted(work.rglob("*")) == before
    assert "interrupted" in capsys.readouterr().err


def test_interruption_keeps_the_record_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["bicubic", "evaluation.folder=sets/first", "evaluation.out=out"]
    assert run(*words) == 0
    before = {path: path.read_bytes() for path in Path("out").iterdir()}

    def interrupted(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "quality_plot", interrupted)
    assert run(*words, "evaluation.protocol=all") == 130
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_to(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "locked").mkdir(mode=0o555)
    refused(
        capsys,
        ["bicubic", "evaluation.folder=sets/first", "evaluation.out=locked/out"],
        "cannot be written to",
    )


def test_weights_of_others_are_judged_whatever_their_ending(work: Path) -> None:
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("spandrel (the extra zoo) is not installed")
    from pipersr_build.zoo.samples import SAMPLES, weights_of

    torch.save({"params_ema": weights_of(SAMPLES["Compact"])}, work / "x2.pth")
    assert run("x2.pth", "evaluation.folder=sets/first", "evaluation.out=out") == 0
    [_, found] = record.load(Path("out/quality.json")).subjects
    assert (found.name, found.kind, found.scale) == ("x2.pth", "weights", 2)


def test_weights_in_the_configuration_are_a_subject(work: Path, tiny: SimpleNamespace) -> None:
    (work / "mine").mkdir()
    (work / "mine" / "w.safetensors").write_bytes(tiny.weights.read_bytes())
    words = ["weights=mine/w.safetensors", "mine/w.safetensors", "evaluation.folder=sets/first"]
    assert run(*words) == 0
    found = json.loads((work / "runs/evaluation/mine-w/quality.json").read_text())
    assert [subject["name"] for subject in found["subjects"]] == ["bicubic", "w.safetensors"]


def test_place_keeps_what_others_put_there(work: Path) -> None:
    def fails() -> None:
        with evaluate.place(work / "new" / "a" / "b"):
            (work / "new" / "a" / "other").write_text("x")
            raise InputError("x")

    with pytest.raises(InputError):
        fails()
    assert sorted(path.name for path in (work / "new").rglob("*")) == ["a", "other"]
