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
        lambda t: {"model": {"conv.weight": torch.zeros(1)}, "ema": {"module": t}},
        lambda t: {"params_ema": {}, "ema": {"decay": 0.999}, "params": t},
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


EIGHT_BITS = [torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("kind", EIGHT_BITS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_floating_point_of_8_bits_is_read(kind, suffix, tmp_path):
    path, values = tmp_path / f"w{suffix}", torch.tensor([0.5, -1.75, 0.0])
    tensors = {"conv.weight": values.to(kind)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    found = contents.read(path)["conv.weight"]
    assert found.dtype == torch.float32
    assert torch.equal(found, values)
    assert contents.stored_as(path) == str(kind).removeprefix("torch.")


@pytest.mark.parametrize("kind", EIGHT_BITS)
def test_nan_in_8_bits_is_named(kind, tmp_path):
    bad = {**TENSORS, "conv.bias": torch.tensor([0.0, float("nan")]).to(kind)}
    with pytest.raises(InputError, match=r"conv\.bias holds NaN or infinite"):
        contents.read(saved(bad, tmp_path / "w.pth"))


def test_what_is_finite_in_float64_alone_is_refused(tmp_path):
    bad = {**TENSORS, "conv.bias": torch.tensor([0.0, 1e300], dtype=torch.float64)}
    with pytest.raises(InputError, match=r"conv\.bias holds NaN or infinite"):
        contents.read(saved(bad, tmp_path / "w.pth"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch calls some of these layouts a beta
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.eye(3).to_sparse(), "layout sparse_coo"),
        (lambda: torch.eye(3).to_sparse_csr(), "layout sparse_csr"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "layout nested"),
        (lambda: torch.ones(2, device="meta"), "no values"),
        (lambda: torch.ones(2, dtype=torch.complex64), r"complex numbers \(complex64\)"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), r"quantised \(qint8\)"),
        (lambda: torch.ones(2, 3, dtype=torch.int8), r"whole numbers \(int8\)"),
        (lambda: torch.ones(2, 3, dtype=torch.uint8), r"whole numbers \(uint8\)"),
        (lambda: torch.ones(2, 3).bool(), r"whole numbers \(bool\)"),
        pytest.param(
            lambda: torch.ones(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
            "float4_e2m1fn_x2",
            marks=pytest.mark.skipif(not hasattr(torch, "float4_e2m1fn_x2"), reason="an older PyTorch"),
        ),
    ],
)
def test_tensors_that_are_no_plain_real_arrays_are_named(make, reason, tmp_path):
    path = saved({**TENSORS, "conv.weight": make()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=rf"tensor conv\.weight [\s\S]*{reason}") as error:
        contents.read(path)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("kind", [torch.int8, torch.complex64])
def test_such_tensors_are_named_in_safetensors_too(kind, tmp_path):
    try:
        save_file({"conv.weight": torch.ones(2, 3).to(kind)}, tmp_path / "w.safetensors")
    except KeyError:
        pytest.skip("this safetensors writes no such numbers")
    with pytest.raises(InputError, match=r"tensor conv\.weight holds"):
        contents.read(tmp_path / "w.safetensors")


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


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [lambda code: code, lambda code: {"params": {"conv.weight": code}}])
def test_a_bare_pickle_with_code_is_refused_without_advice_to_run_it(wrap, protocol, tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(wrap(Harmful()), protocol=protocol))
    with pytest.raises(InputError, match=r"holds code|cannot be read safely") as error:
        contents.read(path)
    said = str(error.value)
    assert "state dict alone" in said
    assert not any(word in said for word in ("weights_only", "download", "trusted", "damaged"))
    assert not (tmp_path / "harm").exists()


def test_the_reason_is_what_the_restricted_reader_says(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps({"a": [1, 2]}, protocol=4))
    with pytest.raises(InputError, match=r"cannot be read safely \(Unsupported operand \d+\)"):
        contents.read(path)


@pytest.mark.parametrize("text", ["<!DOCTYPE html><html>", "version https://git-lfs.github.com/spec/v1\n"])
def test_a_page_or_a_pointer_in_the_place_of_weights_is_to_be_downloaded(text, tmp_path):
    (tmp_path / "w.pth").write_text(text)
    with pytest.raises(InputError, match=r"no PyTorch file[\s\S]*download it again") as error:
        contents.read(tmp_path / "w.pth")
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_cut_off_are_refused(share, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    tensors = {"conv.weight": torch.rand(64, 64)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"cut off|not a readable"):
        contents.read(path)


def test_what_holds_no_weights_is_refused(tmp_path):
    for content, message in (
        ([1, 2], "a list"), ({}, "no tensors"), ({"epoch": 3, "lr": 0.1}, "no tensors"), (3, "a int"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            contents.read(saved(content, tmp_path / "w.pth"))


def test_a_dictionary_that_holds_itself_ends_with_a_message(tmp_path):
    around = {}
    around["params"] = around
    with pytest.raises(InputError, match="no tensors"):
        contents.read(saved(around, tmp_path / "w.pth"))


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
