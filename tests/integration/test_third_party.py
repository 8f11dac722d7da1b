"""Weights that others trained through `export weights=FILE`: what comes through, and what is refused how."""

import importlib
import importlib.util
import os

import pytest
import torch
from safetensors.torch import save_file

from pipersr_build import cli
from pipersr_build.evidence import Evidence

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None, reason="spandrel (the extra zoo) is not installed"
)

SMALL = ["export.image.tile=96", "export.video.size=32x24", "placement.gate=can"]


@pytest.fixture(scope="module")
def compact():
    """Weights of a small Compact, 2x, by spandrel's own class."""
    return tensors("Compact", "Compact", num_feat=8, num_conv=1, upscale=2)


def tensors(architecture, network, **settings):
    """The state dict of a new network of one of spandrel's classes."""
    from pipersr_build.zoo.spandrel import spandrel

    spandrel()
    torch.manual_seed(0)
    module = importlib.import_module(f"spandrel.architectures.{architecture}")
    return {k: v.clone() for k, v in getattr(module, network)(**settings).state_dict().items()}


def exported(folder, name, *words):
    return cli.main(["export", f"weights={folder / name}", f"exports={folder / 'exports'}", *SMALL, *words])


def with_prefix(state):
    return {"params_ema": {f"module.{key}": value for key, value in state.items()}, "iter": 3}


def test_weights_as_trainers_save_them_become_packages(compact, tmp_path, capsys):
    torch.save({"params_ema": compact, "params": {}}, tmp_path / "x.pth")
    assert exported(tmp_path, "x.pth") == 0, capsys.readouterr().out
    record = Evidence.model_validate_json((tmp_path / "exports/x/evidence.json").read_text())
    assert record.model["architecture"] == "Compact"
    assert [package.file for package in record.packages] == ["image_96.mlpackage", "video_32x24.mlpackage"]
    parity = [gate.verdict for gate in record.gates if gate.name == "parity, interpreter fp16"]
    assert parity == ["pass", "pass"]
    assert cli.main(["validate", str(tmp_path / "exports/x")]) == 0


def halves(state):
    return {key: value.half() for key, value in state.items()}


@pytest.mark.parametrize("change", [with_prefix, halves])
def test_wrapped_names_and_half_precision_are_taken(change, compact, tmp_path, capsys):
    torch.save(change(compact), tmp_path / "x.pth")
    assert exported(tmp_path, "x.pth", "export=image") == 0, capsys.readouterr().out
    assert (tmp_path / "exports/x/image_96.mlpackage").is_dir()


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def code(state):
    return {"params": state, "hook": Harmful()}


def not_finite(state):
    return {**state, "body.0.bias": torch.full_like(state["body.0.bias"], float("nan"))}


def lacking(state):
    return {key: value for key, value in state.items() if key != "body.2.bias"}


def with_more(state):
    return {**state, "extra.weight": torch.zeros(2)}


def grey(_):
    return tensors("Compact", "Compact", num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=1, upscale=2)


def alpha(_):
    return tensors("Compact", "Compact", num_in_ch=4, num_out_ch=4, num_feat=8, num_conv=1, upscale=2)


def denoiser(_):
    return tensors("DnCNN", "DnCNN", in_nc=3, out_nc=3, nc=8, nb=9, act_mode="R")


REFUSED = {
    code: "holds code, which would run when it is loaded",
    not_finite: "body.0.bias holds NaN or infinite values",
    lacking: "body.2.bias",
    with_more: "extra.weight",
    grey: "takes 1 channel (grey)",
    alpha: "takes 4 channels (RGB and alpha)",
    denoiser: "DnCNN does not enlarge",
}


def refused(folder, capsys, name, *words):
    """Export what must be refused; return the message, after looking for what it left behind."""
    status = exported(folder, name, *words)
    message = capsys.readouterr().err
    assert status == 2, message
    assert "Traceback" not in message
    assert name in message
    assert [entry.name for entry in folder.iterdir()] == [name]
    return message


@pytest.mark.parametrize("change", REFUSED)
def test_what_is_refused_leaves_nothing(change, compact, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(change(compact), tmp_path / "x.pth")
    assert REFUSED[change] in refused(tmp_path, capsys, "x.pth")


def test_another_scale_than_asked_for_is_refused(compact, tmp_path, capsys):
    save_file(compact, tmp_path / "x.safetensors")
    message = refused(tmp_path, capsys, "x.safetensors", "model=pipersr_4x")
    assert "scale is 2, asked for 4" in message


def test_half_a_file_is_refused(compact, tmp_path, capsys):
    save_file(compact, tmp_path / "x.safetensors")
    whole = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a readable safetensors file" in refused(tmp_path, capsys, "x.safetensors")
