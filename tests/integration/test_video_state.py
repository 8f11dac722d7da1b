"""A network that remembers the frame before, from training to checked packages, as a user makes them."""

import shutil

import pytest
import torch

from pipersr_build import cli, evidence, models
from pipersr_build.evaluation import record as quality
from pipersr_build.mil.package import open_package
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import load_weights, save_weights

SIZES = ["64x36", "85x48"]
PACKAGES = [f"video_{size}_state.mlpackage" for size in SIZES]


@pytest.fixture(scope="module")
def exported(pipersr_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    words = ["model=paragonsr2_realtime_2x", "experiment=debug", "training.threads=1", "name=v"]
    trained = pipersr_build(folder, "train", *words)
    assert trained.returncode == 0, trained.stderr
    return folder, pipersr_build(
        folder, "export", "weights=runs/v/weights.safetensors", "experiment=debug", "export=video",
        f"export.video.size='{','.join(SIZES)}'", "export.video.state=true",
    )  # fmt: skip


@pytest.fixture
def copy(exported, tmp_path, monkeypatch):
    shutil.copytree(exported[0], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy" / "exports" / "v"


def test_every_size_is_made_and_passes_its_gates(exported):
    folder, done = exported
    assert done.returncode == 0, done.stdout + done.stderr
    record = evidence.load(folder / "exports/v/evidence.json")
    assert [(package.file, package.kind) for package in record.packages] == [
        (name, "video with state") for name in PACKAGES
    ]
    assert record.failed == []
    for package in record.packages:
        takes = recurrence(open_package(folder / "exports/v" / package.file))
        assert takes.before.shape[1] == 17
        assert {len(package.placement.operations), len(package.parity)} == {sum(package.census.values()), 7}
        can = next(g for g in record.gates if g.subject == package.file and g.name.startswith("ANE can run"))
        assert (can.value, can.verdict) == (1, "pass")
        assert sum("cut" in parity.input for parity in package.parity) == 1
        assert sum("the state after it" in parity.input for parity in package.parity) == 2
        assert "fp16 tensor 1 x 17 x " in package.input


def test_report_and_card_say_what_goes_in_and_comes_out(exported):
    export = exported[0] / "exports/v"
    card = (export / "MODEL_CARD.md").read_text()
    assert card.count("| video with state |") == 2
    assert "where a new scene begins" in card
    assert '<span class="tag">video with state</span>' in (export / "report.html").read_text()


@pytest.mark.usefixtures("copy")
def test_verify_validate_evaluate_compare_and_report_take_it():
    first = f"exports/v/{PACKAGES[0]}"
    for words in (
        ["verify", "exports/v", "placement.gate=can"],
        ["validate", "exports/v"],
        ["evaluate", first, "runs/v/weights.safetensors", "experiment=debug"],
        ["compare", first],
        ["report", "exports/v"],
    ):
        assert cli.main(words) == 0, words


def test_a_frame_alone_is_judged_like_the_network(copy):
    words = ["evaluate", f"exports/v/{PACKAGES[1]}", "runs/v/weights.safetensors", "experiment=debug"]
    assert cli.main([*words, "evaluation.out=scores"]) == 0
    found = quality.load(copy.parent.parent / "scores/quality.json")
    _, package, weights = (row.mean_psnr for row in found.quality)
    assert package == pytest.approx(weights, abs=0.02)
    assert "no state" in found.subjects[1].runner


def test_weights_of_which_it_was_not_made_fail(copy, tmp_path):
    weights = load_weights(copy / "weights.safetensors")
    with torch.no_grad():
        weights.network.head.weight.mul_(2)
    save_weights(tmp_path / "other.safetensors", weights.network, weights.config, "other")
    assert cli.main(["validate", f"exports/v/{PACKAGES[0]}", f"weights={tmp_path}/other.safetensors"]) == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["export", "model=pipersr_2x", "experiment=debug"], "PiperSR 2x, 6 blocks, 64 channels has no form"),
        (["run", "model=quicksrnet_small_2x", "experiment=debug"], "QuickSRNet 2x"),
        (["estimate", "model=pipersr_2x", "export=video", "export.video.size=64x36"], "PiperSR 2x"),
        (
            ["export", "weights=runs/v/weights.safetensors", "export.compress=[w8a8]", "target=macos14"],
            "keep a state",
        ),
    ],
)
def test_what_cannot_keep_a_state_is_refused_before_any_work(copy, capfd, words, named):
    before = sorted(copy.parent.iterdir())
    assert cli.main([*words, "export.video.state=true"]) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert named in told
    assert "export.video.state" in told
    assert sorted(copy.parent.iterdir()) == before


@pytest.mark.usefixtures("copy")
def test_a_package_with_a_state_needs_a_network_that_has_one(tiny_weights, capfd):
    assert cli.main(["validate", f"exports/v/{PACKAGES[0]}", f"weights={tiny_weights}"]) == 2
    assert "remembers the frame before" in " ".join(capfd.readouterr().err.split())


@pytest.fixture
def tiny_weights(tmp_path):
    config = PiperSRConfig(blocks=1, channels=4)
    save_weights(tmp_path / "w.safetensors", models.build(config), config, "tiny")
    return tmp_path / "w.safetensors"
