import json
import shutil

import pytest

from pipersr_build.errors import InputError
from pipersr_build.export import makers
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.export.metadata import COMMIT, TOOLKIT, About
from pipersr_build.export.reproduce import compare
from pipersr_build.export.write import without_label
from pipersr_build.mil.package import model_file, open_package, read_spec

PROGRAM = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def made(tiny, folder, commit="abc", tile=24, metadata=None):
    about = About("who", "MIT", "2.0", {TOOLKIT: "1", COMMIT: commit})
    wanted = [Contract("image", "x", tile, tile)]
    folder.mkdir(exist_ok=True)
    ((_, path),) = build(
        tiny.deployed, wanted, folder, deployment="macOS13", title="t", metadata=metadata or {}, about=about
    )
    return path


@pytest.fixture(scope="module")
def first(tiny, tmp_path_factory):
    return made(tiny, tmp_path_factory.mktemp("first"))


def test_the_same_package_made_again_is_the_same(tiny, first, tmp_path):
    found = compare(first, made(tiny, tmp_path))
    assert found.same
    assert found.makers == {}


def test_another_commit_is_told_and_is_no_difference(tiny, first, tmp_path):
    found = compare(first, made(tiny, tmp_path, commit="def"))
    assert found.same
    assert found.makers == {COMMIT: ("abc", "def")}


def test_a_makers_version_in_the_program_itself_is_no_difference(first, tmp_path):
    other = shutil.copytree(first, tmp_path / "other.mlpackage")
    spec = read_spec(model_file(other))
    versions = makers.read(spec)
    assert versions["coremltools-component-torch"].count(".") == 2
    makers.update(spec, versions | {"coremltools-component-torch": "9.9"})
    model_file(other).write_bytes(spec.SerializeToString(deterministic=True))
    found = compare(other, first)
    assert found.same
    assert list(found.makers) == ["coremltools-component-torch"]


@pytest.mark.parametrize("change", [{"tile": 32}, {"metadata": {"a": "b"}}])
def test_another_program_is_a_difference(tiny, first, tmp_path, change):
    assert compare(first, made(tiny, tmp_path, **change)).files == {PROGRAM: "differs"}


def test_files_that_differ_are_missing_or_do_not_belong_there_are_named(first, tmp_path):
    other = shutil.copytree(first, tmp_path / "other.mlpackage")
    weights = (other / WEIGHTS).read_bytes()
    (other / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    (other / "more").write_text("x")
    assert compare(other, first).files == {"more": "is not made", WEIGHTS: "differs"}
    (other / WEIGHTS).unlink()
    assert compare(other, first).files[WEIGHTS] == "is missing"


def test_another_manifest_is_a_difference(first, tmp_path):
    other = shutil.copytree(first, tmp_path / "other.mlpackage")
    manifest = other / "Manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    assert compare(other, first).files == {"Manifest.json": "differs"}


def test_what_is_no_package_is_refused(first, tmp_path):
    with pytest.raises(InputError, match="no such package"):
        compare(first, tmp_path / "nothing.mlpackage")


def test_a_package_says_who_made_it_under_which_licence_and_what_goes_in_and_out(first):
    description = open_package(first).spec.description
    said = description.metadata
    assert (said.author, said.license, said.versionString) == ("who", "MIT", "2.0")
    assert said.userDefined["pipersr_build.tile"] == "24x24"
    assert said.userDefined["pipersr_build.target"] == "macOS 13, iOS 16"
    assert description.input[0].shortDescription == (
        "What is to be enlarged: RGB picture, 24x24, 8 bits a channel (0 to 255)."
    )
    assert "48x48" in description.output[0].shortDescription


def test_no_local_label_of_a_version_is_in_a_package(first):
    assert not [text for text in makers.read(open_package(first).spec).values() if "+" in text]
    assert without_label("torch==2.13.0+cpu") == "torch==2.13.0"
    assert without_label("2.13.0+cu130") == "2.13.0"
    assert without_label("0a1+changes") == "0a1+changes"


def test_others_can_read_every_file_of_a_package(first):
    assert {file.stat().st_mode & 0o777 for file in first.rglob("*") if file.is_file()} == {0o644}
