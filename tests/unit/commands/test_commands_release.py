import shutil

import numpy as np
import pytest

from pipersr_build import evidence
from pipersr_build.cli import main
from pipersr_build.commands import placing, release_parts
from pipersr_build.config import plain
from pipersr_build.data.images import save_png
from pipersr_build.errors import InputError
from pipersr_build.export.compression.methods import METHODS
from pipersr_build.report import release_record

SMALL = ["export.image.tile=24", "export.video.size=[24x16,32x20]", "placement.gate=can"]


def words(tiny, root):
    if not (root / "pictures").is_dir():  # one, so that measuring quality takes no time
        (root / "pictures").mkdir()
        save_png(root / "pictures" / "a.png", make_rgb(48))
    folders = [
        f"exports={root / 'exports'}",
        f"runs={root / 'runs'}",
        f"evaluation.folder={root / 'pictures'}",
    ]
    return [f"weights={tiny.weights}", *folders, *SMALL]


def make_rgb(edge):
    return np.random.default_rng(0).integers(0, 256, (edge, edge, 3), np.uint8)


@pytest.fixture(scope="module")
def released(tiny, tmp_path_factory):
    """A release of the small network, with int8 and, because it cannot reach its gate, without palette4."""
    root = tmp_path_factory.mktemp("release")
    patch = pytest.MonkeyPatch()
    patch.setitem(
        METHODS, "palette4", METHODS["palette4"].__class__("palette4", "t", 4, "macOS13", 400.0, True)
    )
    patch.setattr(release_parts, "METHODS", ("int8", "palette4"))
    try:
        assert main(["release", *words(tiny, root)]) == 0
    finally:
        patch.undo()
    return root / "exports" / "tiny"


def test_a_release_holds_every_part_and_says_what_is_in_it(released):
    record = release_record.load(released / placing.RELEASE)
    assert [package.file for package in record.packages] == [
        "image_24.mlpackage", "video_24x16.mlpackage", "video_32x20.mlpackage", "video_bundle.mlpackage",
        "image_24_int8.mlpackage",
    ]  # fmt: skip
    assert [package.target for package in record.packages] == ["macOS13"] * 3 + ["macOS15", "macOS13"]
    assert record.packages[3].functions == ["upscale_24x16", "upscale_32x20"]
    known = evidence.load(released / placing.EVIDENCE)
    assert {p.file for p in known.packages} == {p.file for p in record.packages}
    assert {p.name for p in released.glob("*.mlpackage")} == {p.file for p in record.packages}
    assert known.failed == []
    assert placing.changed(released) == placing.unlisted(released) == {}
    assert sum(gate.subject == "network" for gate in known.gates) == 1
    assert {row.subject for row in known.quality} == {
        "bicubic",
        "image_24.mlpackage",
        "image_24_int8.mlpackage",
    }


def test_what_fails_its_gate_is_left_out_and_named_with_gate_and_value(released):
    [out] = release_record.load(released / placing.RELEASE).left_out
    assert out.file == "image_24_palette4.mlpackage"
    assert out.gate.name.startswith("fidelity")
    assert 0 < out.gate.value < out.gate.threshold == 400.0
    assert not (released / out.file).exists()
    index = (released / placing.INDEX).read_text()
    assert "Left out" in index
    assert out.file in index


def test_no_record_names_a_folder_of_this_machine(released):
    for name in (placing.EVIDENCE, placing.RELEASE, placing.INDEX, placing.CARD, placing.REPORT):
        assert str(released.parent.parent) not in (released / name).read_text()


def test_a_release_made_again_is_the_same_and_a_change_is_found(released, tmp_path, capsys):
    copy = shutil.copytree(released, tmp_path / "moved")
    assert main(["release", "--check", str(copy)]) == 0
    assert capsys.readouterr().out.count("the same bytes") == 5
    (copy / "note.txt").write_text("x")
    (copy / "image_24_int8.mlpackage" / "Manifest.json").write_text("{}")
    assert main(["release", "--check", str(copy)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "note.txt was added" in shown
    assert "Manifest.json differs" in shown


def standing_in(released, asked, *, fails="", stops_at=0):
    """In place of `export.make`: what `released` has of the part; or a failed gate, or Ctrl-C."""
    whole = evidence.load(released / placing.EVIDENCE)

    def make(config, _weights, _wanted, stage, _command):
        asked.append(config.export.compress)
        if len(asked) == stops_at:
            raise KeyboardInterrupt
        bundle, smaller = config.export.video.bundle, bool(config.export.compress)
        kept = {p.file for p in whole.packages if ("bundle" in p.file, "int8" in p.file) == (bundle, smaller)}
        for name in (*kept, placing.WEIGHTS):
            placing.copy(released / name, stage / name)
        gates = [gate for gate in whole.gates if gate.subject.partition(":")[0] in kept]
        if fails in kept:
            gates.append(gates[0].model_copy(update={"name": "made to fail", "verdict": "fail"}))
        packages = [p for p in whole.packages if p.file in kept]
        return whole.model_copy(update={"packages": packages, "gates": gates, "config": plain(config),
                                        "samples": []})  # fmt: skip

    return make


@pytest.fixture
def quick(monkeypatch):
    """Only int8, in what seems to be a checkout without changes."""
    monkeypatch.setattr(release_parts, "METHODS", ("int8",))
    real = release_parts.machine.provenance
    clean = {"git_dirty": False}
    monkeypatch.setattr(release_parts.machine, "provenance", lambda c: real(c).model_copy(update=clean))


@pytest.mark.usefixtures("quick")
def test_an_interrupted_release_goes_on_and_leaves_the_earlier_one(tiny, released, tmp_path, monkeypatch):
    shutil.copytree(released, tmp_path / "exports" / "tiny")
    before, asked = (tmp_path / "exports/tiny" / placing.SUMS).read_bytes(), []
    monkeypatch.setattr(release_parts.export, "make", standing_in(released, asked, stops_at=2))
    assert main(["release", *words(tiny, tmp_path)]) == 130
    assert (tmp_path / "exports/tiny" / placing.SUMS).read_bytes() == before
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["tiny"]
    assert main(["release", *words(tiny, tmp_path)]) == 0
    assert asked == [[], [], [], ["int8"]]
    assert (tmp_path / "exports/tiny" / placing.SUMS).read_bytes() != before
    assert not (tmp_path / "runs/release/tiny").exists()


@pytest.mark.usefixtures("quick")
def test_of_a_changed_toolkit_no_part_is_used_again(tiny, released, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(release_parts.export, "make", standing_in(released, asked, stops_at=2))
    assert main(["release", *words(tiny, tmp_path)]) == 130
    cleanly = release_parts.machine.provenance
    monkeypatch.setattr(
        release_parts.machine, "provenance", lambda c: cleanly(c).model_copy(update={"git_dirty": True})
    )
    assert main(["release", *words(tiny, tmp_path)]) == 0
    assert asked == [[], [], [], [], ["int8"]]


@pytest.mark.usefixtures("quick")
def test_a_toolkit_that_changes_meanwhile_makes_no_release(tiny, released, tmp_path, monkeypatch, capsys):
    make = standing_in(released, [])
    cleanly = release_parts.machine.provenance

    def changing(config, *rest):
        if config.export.video.bundle:
            dirty = {"git_dirty": True}
            monkeypatch.setattr(
                release_parts.machine, "provenance", lambda c: cleanly(c).model_copy(update=dirty)
            )
        return make(config, *rest)

    monkeypatch.setattr(release_parts.export, "make", changing)
    assert main(["release", *words(tiny, tmp_path)]) == 2
    assert "changed while the release was made" in capsys.readouterr().err
    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_a_failed_gate_of_another_package_leaves_no_release(tiny, released, tmp_path, monkeypatch, capsys):
    make = standing_in(released, [], fails="video_bundle.mlpackage")
    monkeypatch.setattr(release_parts.export, "make", make)
    assert main(["release", *words(tiny, tmp_path)]) == 1
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["tiny.failed"]
    failed = evidence.load(tmp_path / "exports/tiny.failed" / placing.EVIDENCE).failed
    assert [gate.name for gate in failed] == ["made to fail"]
    assert list((tmp_path / "exports").rglob("*.mlpackage")) == []
    assert "no package was kept" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "word", ["target=macos15", "export=video", "export.video.bundle=true", "bundle=video"]
)
def test_what_the_parts_decide_is_refused(word, capsys):
    assert main(["release", word]) == 2
    assert "each part of a release has its own" in capsys.readouterr().err


def test_a_file_that_no_export_made_is_not_thrown_away(tiny, released, tmp_path, capsys):
    folder = shutil.copytree(released, tmp_path / "exports" / "tiny")
    (folder / "mine.txt").write_text("x")
    assert main(["release", *words(tiny, tmp_path)]) == 2
    assert "mine.txt" in capsys.readouterr().err
    assert (folder / "mine.txt").is_file()


def test_an_export_into_a_releases_folder_makes_it_an_export_again(tiny, released, tmp_path):
    folder = shutil.copytree(released, tmp_path / "exports" / "tiny")
    assert main(["export", *words(tiny, tmp_path), "export=video"]) == 0
    assert not (folder / placing.RELEASE).exists()
    assert (folder / "image_24_int8.mlpackage").is_dir()


def test_the_methods_are_those_asked_for():
    wanted = release_parts.parts("palette6,w8a8")
    assert [part.title for part in wanted] == [
        "packages",
        "video_bundle",
        "smaller_macos13",
        "smaller_macos14",
    ]
    assert wanted[2].keeps("image_128_palette6.mlpackage")
    assert not wanted[3].keeps("image_128.mlpackage")
    with pytest.raises(InputError, match="int7"):
        release_parts.parts("int7")


def test_without_a_release_there_is_nothing_to_check(tmp_path, capsys):
    assert main(["release", "--check", str(tmp_path)]) == 2
    assert "no release is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"), [("target=macos14", "settings that it holds"), ("other", "more than one release")]
)
def test_a_release_is_checked_alone_and_as_it_was_made(tmp_path, more, said, capsys):
    assert main(["release", "--check", str(tmp_path), more]) == 2
    assert said in capsys.readouterr().err
