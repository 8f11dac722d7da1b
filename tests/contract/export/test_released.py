"""The packages that the repository carries are what their records say, and what their weights make."""

import re

import pytest

from pipersr_build import evidence, files
from pipersr_build.commands import export, placing, publish, release_parts, reproduce
from pipersr_build.commands.upscalers import EXPORT, Upscalers
from pipersr_build.config.upscale import UpscaleConfig
from pipersr_build.config.wanted import contracts
from pipersr_build.export import metadata
from pipersr_build.mil.package import open_package
from pipersr_build.models.weights import load_weights
from pipersr_build.report import release_record
from tests.conftest import ROOT

FOLDER = ROOT / "exports" / EXPORT
MOST_BYTES = 15_000_000
pytestmark = pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="only the repository carries them")


@pytest.fixture(scope="module")
def released():
    return release_record.load(FOLDER / placing.RELEASE)


def test_every_file_is_as_the_sums_say_and_may_be_published():
    record = publish.check(FOLDER)
    assert record.name == EXPORT
    assert files.size_bytes(FOLDER) < MOST_BYTES


def test_the_packages_are_those_of_the_evidence_and_of_the_release(released):
    known = {p.file: p.sha256 for p in evidence.load(FOLDER / placing.EVIDENCE).packages}
    assert known == {p.file: p.sha256 for p in released.packages}
    assert known == {path.name: files.sha256(path) for path in FOLDER.glob("*.mlpackage")}
    assert {"image_128.mlpackage", "video_360p.mlpackage", "video_480p.mlpackage", "video_540p.mlpackage",
            "video_bundle.mlpackage"} <= known.keys()  # fmt: skip
    assert any(package.method for package in released.packages)


def test_the_bundle_is_hardly_larger_than_one_of_its_packages():
    largest = max(files.size_bytes(FOLDER / f"video_{size}.mlpackage") for size in ("360p", "480p", "540p"))
    assert files.size_bytes(FOLDER / "video_bundle.mlpackage") < 1.05 * largest


def test_they_are_of_the_shipped_weights(released):
    assert (FOLDER / placing.WEIGHTS).read_bytes() == (ROOT / "weights/pipersr_2x.safetensors").read_bytes()
    assert released.weights_sha256 == files.sha256(ROOT / "weights/pipersr_2x.safetensors")


def test_the_records_state_the_commit_and_no_folder_of_a_machine(released):
    assert re.fullmatch(r"[0-9a-f]{40}", released.provenance.git_commit)
    assert released.provenance.git_dirty is False
    for path in FOLDER.glob("*.mlpackage"):
        stated = open_package(path).spec.description.metadata.userDefined
        assert stated[metadata.COMMIT] == released.provenance.git_commit, path.name
    for name in (placing.EVIDENCE, placing.RELEASE, placing.INDEX, placing.CARD, placing.REPORT):
        text = (FOLDER / name).read_text()
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users|private|var|opt)/", text), name


def test_the_image_tile_made_again_is_the_same_bytes(released):
    weights = load_weights(FOLDER / placing.WEIGHTS)
    words = [*reproduce.as_words(released.parts[0].settings), "export.video.enabled=false"]
    config = release_parts.configured(words, weights)
    [again] = reproduce.compared(config, weights, contracts(config.export), FOLDER).values()
    assert again is not None
    assert again.same, f"{again.files}: if that is meant, make them anew with: pipersr-build release"


def test_upscale_takes_them_where_no_package_is_named(monkeypatch):
    def refuse(_):
        raise AssertionError("no other package is needed")

    monkeypatch.setattr("pipersr_build.commands.upscalers.reference_packages", refuse)
    upscalers = Upscalers(UpscaleConfig(), ROOT / "exports")
    assert upscalers.pictures.tile == (128, 128)
    assert upscalers.frames(360, 640).tile == (360, 640)


def test_an_export_of_a_release_is_found_by_its_own_settings(released):
    assert [part.title for part in released.parts][:2] == ["packages", "video_bundle"]
    wanted = export.preflight(
        release_parts.configured(reproduce.as_words(released.parts[1].settings),
                                 load_weights(FOLDER / placing.WEIGHTS)), writes=False,
    )  # fmt: skip
    assert [contract.name for contract in wanted] == ["video_360p", "video_480p", "video_540p"]
