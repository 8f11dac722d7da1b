"""ONNX files and Core AI models beside packages, as a user makes them."""

import importlib.util
import subprocess

import pytest
import torch

from pipersr_build import cli, evidence, models
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.weights import save_weights

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("coreai_torch") is None,
    reason="coreai-torch is not installed",
)
ONNX = ["network_dynamic_state.onnx", "video_24x16_state.onnx"]
SMALL = ["export=video", "export.video.size=24x16", "export.video.state=true", "placement.gate=can"]


@pytest.fixture(scope="module")
def exported(pipersr_build, tmp_path_factory):
    """Core ML and ONNX first, then Core AI into the same export."""
    folder = tmp_path_factory.mktemp("formats")
    torch.manual_seed(0)
    config = ParagonSR2Config(channels=4, blocks=1)
    save_weights(folder / "w.safetensors", models.build(config).eval(), config, "w")
    both = [
        pipersr_build(folder, "export", "weights=w.safetensors", *SMALL, f"export.formats=[{asked}]")
        for asked in ("coreml,onnx", "coreai")
    ]
    return folder / "exports" / "w", both


def test_the_second_export_adds_to_the_first(exported):
    folder, runs = exported
    assert [done.returncode for done in runs] == [0, 0], [done.stdout + done.stderr for done in runs]
    record = evidence.load(folder / "evidence.json")
    assert [one.file for one in record.packages] == ["video_24x16_state.mlpackage"]
    assert sorted(one.file for one in record.files) == [*ONNX[:1], "video_24x16_state.aimodel", *ONNX[1:]]
    assert all((folder / one.file).exists() for one in record.exported)
    judged = {gate.subject for gate in record.gates if gate.name.startswith("parity, ")}
    assert judged >= {one.file for one in record.exported}
    assert not list(folder.parent.glob("**/twin*"))


def test_sums_report_and_card_have_the_files(exported):
    folder, _ = exported
    sums = (folder / "SHA256SUMS").read_text()
    assert all(name in sums for name in (*ONNX, "video_24x16_state.aimodel/main.mlirb"))
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    card, page = ((folder / name).read_text() for name in ("MODEL_CARD.md", "report.html"))
    assert "fp32 tensor batch x 3 x 2 height x 2 width, fp32 tensor batch x 5 x height x width" in card
    assert card.count("opset 18") == len(ONNX)
    assert page.count("Core AI 27.0") == 1


def test_the_files_are_made_again_and_validated(exported, monkeypatch, capsys):
    folder, _ = exported
    monkeypatch.chdir(folder.parent.parent)
    monkeypatch.setenv("COLUMNS", "160")
    words = ["weights=w.safetensors", *SMALL, "export.formats=[onnx,coreai]"]
    assert cli.main(["export", "--check", *words]) == 0
    assert capsys.readouterr().out.count("the same bytes") == 3
    assert cli.main(["validate", "exports/w"]) == 0
    shown = capsys.readouterr().out
    assert "parity, onnxruntime, CPU" in shown
    assert "parity, coreai's CPU runtime" in shown


def test_a_spoilt_file_is_refused_in_one_message(tmp_path, capsys):
    (tmp_path / "x.onnx").write_bytes(b"\xff\xff\xff")
    (tmp_path / "x.aimodel").mkdir()
    for name in ("x.onnx", "x.aimodel"):
        assert cli.main(["validate", str(tmp_path / name), "weights=none.safetensors"]) == 2
        assert "Traceback" not in capsys.readouterr().err
