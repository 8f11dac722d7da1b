"""Packages that are incomplete, damaged or not packages: one error of one kind, never another."""

import contextlib
import json
import random
import shutil

import numpy as np
import pytest
import torch
from google.protobuf.message import DecodeError
from mil_packages import convert
from torch import nn

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.mil.blob import BlobFile
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import check_weights, open_package

ct = quiet.coremltools()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small convolution network with a weight file, as a package."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 3), nn.PixelShuffle(2))
    folder = tmp_path_factory.mktemp("whole")
    return convert(module, torch.zeros(1, 3, 8, 8), folder=folder, precision="fp16").path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy.mlpackage")


def model(package):
    return package / "Data/com.apple.CoreML/model.mlmodel"


def weights(package):
    return package / "Data/com.apple.CoreML/weights/weight.bin"


def use(path):
    """Everything that happens to a package before it is run."""
    package = open_package(path)
    check_weights(package)
    return Interpreter(package)


def test_a_whole_package_is_used(whole):
    result = use(whole).run({"x0": np.zeros((1, 3, 8, 8), np.float32)})
    assert [value.shape for value in result.values()] == [(1, 1, 8, 8)]


def test_a_path_that_is_not_a_package(tmp_path):
    file = tmp_path / "file.mlpackage"
    for path, match in (
        (tmp_path / "gone", "no such package"),
        (file, "is a folder"),
        (tmp_path, "no Manifest"),
    ):
        file.write_text("x")
        with pytest.raises(InputError, match=match):
            open_package(path)


@pytest.mark.parametrize(
    ("part", "match"),
    [("Manifest.json", "no Manifest"), ("Data/com.apple.CoreML/model.mlmodel", "lacks its model file"),
     ("Data", "lacks its model file")],
)  # fmt: skip
def test_missing_parts(copy, part, match):
    path = copy / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=match):
        open_package(copy)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"\xff\xfe", b"[]", b"{}", b"3", b'"text"', b"[" * 100_000,
     b'{"rootModelIdentifier": "a", "itemInfoEntries": []}',
     b'{"rootModelIdentifier": [], "itemInfoEntries": {}}',
     b'{"rootModelIdentifier": "a", "itemInfoEntries": {"a": 3}}',
     b'{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": 3}}}',
     b'{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": null}}}'],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense(copy, manifest):
    (copy / "Manifest.json").write_bytes(manifest)
    with pytest.raises(InputError, match="manifest cannot be read"):
        open_package(copy)


@pytest.mark.parametrize(
    "path", ["../../x", "/etc/hostname", "a/../../../x", "a\0b", "x" * 5000, "com.apple.CoreML", ""]
)
def test_a_manifest_whose_model_is_not_a_file_in_the_package(copy, path):
    entries = {"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": path}}}
    (copy / "Manifest.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"is not in the package|lacks its model file"):
        open_package(copy)


@pytest.mark.parametrize("data", [b"", b"garbage" * 99, b"\xff" * 200, b"\0" * 200])
def test_a_model_file_that_is_none(copy, data):
    model(copy).write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|holds no model"):
        open_package(copy)


def test_a_model_of_another_type(copy):
    spec = ct.proto.Model_pb2.Model()
    spec.specificationVersion = 4
    spec.neuralNetwork.SetInParent()
    model(copy).write_bytes(spec.SerializeToString())
    with pytest.raises(InputError, match="'neuralNetwork', not an ML program"):
        open_package(copy)


def test_a_missing_weight_file_is_found_without_running(copy):
    weights(copy).unlink()
    package = open_package(copy)
    with pytest.raises(
        InputError, match=r"weight file is missing; needed as '(weight|bias)' of conv"
    ) as caught:
        check_weights(package)
    assert "weight.bin" in caught.value.where
    assert "export the package again" in caught.value.fix
    with pytest.raises(InputError, match=r"weight file is missing; needed by operation conv '"):
        Interpreter(package)


@pytest.mark.parametrize("kept", [0, 10, 63, 64, 100, 0.3, 0.7, 0.99])
def test_a_truncated_weight_file_is_found_without_running(copy, kept):
    whole = weights(copy).read_bytes()
    size = kept if isinstance(kept, int) else int(kept * len(whole))
    weights(copy).write_bytes(whole[:size])
    package = open_package(copy)
    with pytest.raises(InputError, match="truncated or damaged"):
        check_weights(package)
    with pytest.raises(InputError, match="truncated or damaged"):
        Interpreter(package)


def test_checking_weights_does_not_read_them(whole, monkeypatch):
    def refuse(*_):
        raise AssertionError("the data are read")

    monkeypatch.setattr(BlobFile, "read", refuse)
    check_weights(open_package(whole))


def test_a_weight_file_outside_the_package(copy):
    spec = ct.proto.Model_pb2.Model()
    data = model(copy).read_bytes()
    old, new = b"@model_path/weights/weight.bin", b"@model_path/../../../../../w.b"
    assert len(old) == len(new)
    assert old in data
    model(copy).write_bytes(data.replace(old, new))
    spec.ParseFromString(model(copy).read_bytes())
    with pytest.raises(InputError, match="lies outside the package"):
        open_package(copy)


@pytest.mark.parametrize("values", [[1], [1, 2, 3], [2**40, 1]])
def test_a_constant_that_is_not_of_its_type(copy, values):
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(model(copy).read_bytes())
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    constants = [op.attributes["val"].immediateValue.tensor for op in block.operations if op.type == "const"]
    pair = next(c for c in constants if len(c.ints.values) == 2)
    if max(values) < 2**31:
        pair.ints.values[:] = values
    else:
        pair.longInts.values[:] = values
    model(copy).write_bytes(spec.SerializeToString())
    with pytest.raises(InputError, match=r"a constant of type int32\[2\] (has|cannot be read)") as caught:
        open_package(copy)
    assert "model.mlmodel" in caught.value.where


def mutated(data, seed):
    """A few bytes changed, a piece removed, or a piece repeated."""
    rng = random.Random(seed)
    data, at = bytearray(data), rng.randrange(len(data))
    kind = rng.choice(["flip", "flip", "flip", "random", "cut", "repeat", "end"])
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 2, 5])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "random":
        data[at : at + 3] = rng.randbytes(3)
    elif kind == "cut":
        del data[at : at + rng.randrange(1, 9)]
    elif kind == "repeat":
        data[at:at] = data[at : at + rng.randrange(1, 9)]
    else:
        del data[at:]
    return bytes(data)


def survives(action):
    """Whether `action` succeeds; False if it is refused as an error of the package, which says something."""
    try:
        action()
    except InputError as error:
        return not str(error)
    return True


def test_mutated_models_are_used_or_refused(copy):
    original = model(copy).read_bytes()
    used = 0
    for seed in range(500):
        model(copy).write_bytes(mutated(original, seed))
        used += survives(lambda: use(copy))
    assert 10 < used < 490


def test_mutated_programs_are_run_or_refused(copy):
    """The program itself, without the description around it, in which more changes are still a program."""
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(model(copy).read_bytes())
    program = spec.mlProgram.SerializeToString()
    ran = 0
    for seed in range(400):
        with contextlib.suppress(DecodeError):  # the test above has those
            spec.mlProgram.ParseFromString(mutated(program, seed))
            model(copy).write_bytes(spec.SerializeToString())
            ran += survives(lambda: use(copy).run({"x0": np.zeros((1, 3, 8, 8), np.float32)}))
    assert 10 < ran < 390


def test_mutated_weight_files_are_used_or_refused(copy):
    original = weights(copy).read_bytes()
    used = 0
    for seed in range(60):
        weights(copy).write_bytes(mutated(original, seed))
        used += survives(lambda: use(copy))
    assert 10 < used < 50
