import subprocess
import sys

import numpy as np
import pytest

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.export.build import build
from pipersr_build.export.bundle import bundle, check_bundle, function_name, ratio, weights_ratio
from pipersr_build.export.contracts import Contract
from pipersr_build.mil.census import census
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import open_package
from pipersr_build.runtime.frames import enlargement

SIZES = [Contract("video", f"{w}x{h}", h, w) for w, h in ((24, 16), (32, 20), (40, 30))]


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """Separate packages by function name, and the bundle of them."""
    folder = tmp_path_factory.mktemp("bundle")
    found = build(tiny.deployed, SIZES, folder, deployment="macOS15", title="t", metadata={})
    parts = {function_name(contract): path for contract, path in found}
    return parts, bundle(parts, folder / "all.mlpackage", "d", {"a.key": "7"})


def test_each_function_gives_the_same_numbers_as_its_package(made):
    parts, path = made
    package = open_package(path)
    assert package.default == "upscale_24x16"
    assert sorted(package.functions) == sorted(parts)
    for name, part in parts.items():
        alone = open_package(part)
        shape = alone.interface.inputs[0].shape
        frame = np.random.default_rng(0).random(shape).astype(np.float16)
        results = [
            Interpreter(alone).run({"lr": frame})["sr"],
            Interpreter(package, name).run({"lr": frame})["sr"],
            Interpreter(package.at(name)).run({"lr": frame})["sr"],
        ]
        assert np.array_equal(results[0], results[1])
        assert np.array_equal(results[0], results[2])
        assert census(package.functions[name]) == census(alone.main)
        assert enlargement(package, name).size == shape[2:]


def test_the_weights_are_there_once(made):
    parts, path = made
    assert weights_ratio(path, parts.values()) == 1


def test_a_constant_of_the_program_is_there_once_in_each_function(made):
    for function in open_package(made[1]).spec.mlProgram.functions.values():
        (block,) = function.block_specializations.values()
        values = [
            (op.outputs[0].type.SerializeToString(), op.attributes["val"].SerializeToString())
            for op in block.operations
            if op.type == "const"
        ]
        assert len(set(values)) == len(values)


def test_what_is_said_is_in_the_bundle_and_each_function_describes_its_input(made):
    spec = open_package(made[1]).spec
    assert spec.description.metadata.userDefined["a.key"] == "7"
    said = {one.name: one.input[0].shortDescription for one in spec.description.functions}
    assert "1, 3, 20, 32" in said["upscale_32x20"]


PROGRAM = """
import sys
from pathlib import Path
from pipersr_build.export.bundle import bundle
parts = dict(zip(sys.argv[2::2], map(Path, sys.argv[3::2])))
bundle(parts, Path(sys.argv[1]), "d", {"a.key": "7"})
"""


def test_another_process_with_another_hash_seed_writes_the_same_bytes(made, tmp_path):
    parts, path = made
    words = [word for pair in parts.items() for word in pair]
    again = tmp_path / "again.mlpackage"
    subprocess.run([sys.executable, "-c", PROGRAM, again, *words], check=True, env={"PYTHONHASHSEED": "77"})
    assert files.sha256(again) == files.sha256(path)


def test_the_size_is_told_against_the_largest_package(tmp_path):
    for name, size in (("a", 100), ("b", 40), ("both", 120)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    assert ratio(tmp_path / "both", [tmp_path / "a", tmp_path / "b"]) == 1.2


@pytest.mark.parametrize(
    ("wanted", "deployment", "compressed", "names"),
    [
        (SIZES, "macOS14", False, "macOS14 cannot run that"),
        (SIZES, "iOS17", False, "iOS17 cannot run that"),
        ([Contract("image", "24", 24, 24)], "macOS15", False, "no video package"),
        (SIZES, "macOS15", True, "fp16 only"),
    ],
)
def test_a_bundle_that_cannot_be_made_is_refused(wanted, deployment, compressed, names):
    with pytest.raises(InputError, match=names) as caught:
        check_bundle(wanted, deployment, compressed=compressed)
    assert "export.video.bundle" in caught.value.where


@pytest.mark.parametrize("deployment", ["macOS15", "iOS18", "macOS26", "iOS26"])
def test_systems_that_know_functions_get_a_bundle(deployment):
    check_bundle(SIZES, deployment, compressed=False)


def test_a_function_that_is_not_there_is_refused_with_those_that_are(made):
    with pytest.raises(InputError, match="no function 'upscale_1x1'") as caught:
        open_package(made[1]).at("upscale_1x1")
    assert "upscale_24x16" in caught.value.fix
