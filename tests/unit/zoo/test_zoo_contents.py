import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from pipersr_build.errors import InputError
from pipersr_build.models.weights import load_weights
from pipersr_build.zoo import contents

TENSORS = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2), "steps": torch.tensor(3)}


def saved(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        lambda t: {"params_ema": t, "params": {"conv.weight": torch.zeros(1)}},
        lambda t: {"params": t},
        lambda t: {"state_dict": {f"module.{key}": value for key, value in t.items()}, "epoch": 3},
        lambda t: {"model": {f"module._orig_mod.{key}": value for key, value in t.items()}, "lr": 1e-3},
        lambda t: {"anything": {"params": t}},
        lambda t: {**t, "comment": "not a tensor"},
    ],
)
def test_tensors_come_out_of_what_trainers_put_around_them(wrap, tmp_path):
    found = contents.read(saved(wrap(TENSORS), tmp_path / "w.pth"))
    assert found.keys() == TENSORS.keys()
    assert torch.equal(found["conv.weight"], TENSORS["conv.weight"])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(kind, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(
        {key: value.to(kind) if value.is_floating_point() else value for key, value in TENSORS.items()}, path
    )
    found = contents.read(path)
    assert {key: value.dtype for key, value in found.items()} == {
        "conv.weight": torch.float32, "conv.bias": torch.float32, "steps": torch.int64}  # fmt: skip
    assert contents.stored_as(path) == str(kind).removeprefix("torch.")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(value, tmp_path):
    bad = {**TENSORS, "conv.bias": torch.tensor([0.0, value])}
    with pytest.raises(InputError, match=r"conv\.bias holds NaN or infinite"):
        contents.read(saved(bad, tmp_path / "w.pth"))


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_with_code_is_refused_and_does_not_run(old, tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    path = tmp_path / "w.pth"
    torch.save({"params": TENSORS, "x": Harmful()}, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(
        InputError, match=r"holds code, which would run[\s\S]*mkdir[\s\S]*\.safetensors"
    ) as error:
        contents.read(path)
    assert error.value.exit_code == 2
    assert not (tmp_path / "harm").exists()


def test_a_bare_pickle_with_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(InputError, match="where: "):
        contents.read(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_cut_off_are_refused(share, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    tensors = {"conv.weight": torch.rand(64, 64)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"cut off|not a readable|no readable pickle"):
        contents.read(path)


def test_what_holds_no_weights_is_refused(tmp_path):
    for content, message in (
        ([1, 2], "a list"), ({}, "no tensors"), ({"epoch": 3, "lr": 0.1}, "no tensors"), (3, "a int"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            contents.read(saved(content, tmp_path / "w.pth"))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_programs_are_refused(tmp_path):
    module = torch.nn.Linear(2, 2)
    traced = torch.jit.trace(module, torch.zeros(1, 2))
    traced.save(str(tmp_path / "w.pt"))
    with pytest.raises(InputError, match="TorchScript program"):
        contents.read(tmp_path / "w.pt")
    (tmp_path / "w.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(InputError, match="ONNX file is a program"):
        load_weights(tmp_path / "w.onnx")


def test_folders_and_missing_files_are_refused(tmp_path):
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(InputError, match="this is a folder"):
        load_weights(tmp_path / "w.pth")
    with pytest.raises(InputError, match="no such weights file"):
        load_weights(tmp_path / "x.pth")
