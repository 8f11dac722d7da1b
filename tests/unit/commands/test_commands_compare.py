import json
import shutil
from pathlib import Path

import pytest

from pipersr_build import evidence, files
from pipersr_build.commands import compare, compare_exports, compare_rows, compare_scores
from pipersr_build.commands.compare_scores import scores_of
from pipersr_build.commands.compare_subjects import networks, subjects
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.evaluation import record as evaluations
from pipersr_build.evidence import ImageQuality, Quality
from pipersr_build.mil.package import open_package
from pipersr_build.report.compare_html import changes_html
from pipersr_build.report.compare_record import Change
from pipersr_build.report.compare_table import difference, value
from pipersr_build.runtime.frames import HALO_KEY
from tests.unit.report.report_records import full, provenance

SMALL = ["compare.size=64x36", "chip=m4"]


@pytest.fixture(scope="module")
def compared(tiny, tmp_path_factory):
    """Two networks, trained weights and a package, compared once: (words, folder, record)."""
    folder = tmp_path_factory.mktemp("compared")
    given = ["pipersr_2x", "quicksrnet_small_1.5x", str(tiny.weights), str(tiny.video)]
    words = [*given, *SMALL, f"out={folder / 'out'}", f"runs={folder / 'runs'}"]
    assert compare.main(words) == 0
    return words, folder, json.loads((folder / "out" / compare.RECORD).read_text())


def test_a_network_is_counted_on_its_package(compared):
    _, _, record = compared
    row = record["rows"][0]
    assert (row["name"], row["kind"], row["family"]) == ("pipersr_2x", "network", "pipersr")
    assert (row["parameters_trained"], row["parameters"]) == (453_388, 451_852)
    assert row["operations_trained"] == 40
    assert row["census"] == {"conv": 14, "add": 7, "silu": 6, "pixel_shuffle": 1}
    assert row["disputed"] == []
    assert row["gflop"] == pytest.approx(2 * 451_008 * 64 * 36 / 1e9, rel=0.01)
    assert 900_000 < row["bytes"] < 950_000
    assert [one["chip"] for one in row["latencies"]] == ["M4"]
    low, expected, high = (row["latencies"][0][key] for key in ("low", "expected", "high"))
    assert 0 < low < expected < high


def test_published_figures_stand_beside_what_records_say(compared):
    _, _, record = compared
    pipersr, quicksrnet, weights, _ = record["rows"]
    assert quicksrnet["measured"] == weights["measured"] == []
    assert [(s["dataset"], s["psnr"], s["parameters"]) for s in quicksrnet["published"]] == [
        ("BSD100", 34.89, 22_875)
    ]
    assert quicksrnet["scale"] == 1.5
    assert ("Set5", "y_float", 37.604) in [
        (s["dataset"], s["protocol"], s["psnr"]) for s in pipersr["published"]
    ]


def test_weights_and_packages_are_called_as_files_are(compared, tiny):
    _, _, record = compared
    weights, package = record["rows"][2:]
    assert (weights["name"], weights["kind"]) == ("weights.safetensors", "weights")
    assert (package["name"], package["width"], package["height"]) == (tiny.video.name, 34, 20)
    assert package["parameters_trained"] is None
    assert package["parameters"] == sum(p.numel() for p in tiny.deployed.parameters())
    assert weights["published"] == []  # no variant of the shipped ones


def test_a_folder_called_like_a_network_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pipersr_2x", "all"):
        (tmp_path / name).mkdir()
    assert [one.kind for one in subjects([Path("pipersr_2x")])] == ["network"]
    assert len(subjects([Path("all")])) == len(networks())


def test_the_page_and_the_plot_say_what_is_missing(compared, capsys):
    words, folder, _ = compared
    page = (folder / "out" / compare.PAGE).read_text()
    assert "not measured" in page
    assert "<script" not in page
    assert "34.89" in page
    assert "<td>22,875</td><td>BSD100</td>" in page  # the published network's own parameters
    assert "<td>RGB in [0, 1], returned in [0, 1]</td><td>https://arxiv.org/abs/2303.04336</td>" in page
    assert page.count("no code or weights of others are used") == 2  # PiperSR, untrained and trained
    plot = (folder / "out" / compare.PLOT).read_text()
    assert plot.startswith("<svg")
    assert plot in page
    assert compare.main(words) == 0
    out = capsys.readouterr().out
    assert "not measured" in out
    assert "predicted for M4" in out
    assert "37.60" in out  # published


def test_rows_are_kept_until_something_changes(compared, monkeypatch):
    words, folder, record = compared
    monkeypatch.setattr(compare_rows, "_measured", lambda *_: pytest.fail("measured again"))
    compare.main(words)
    assert json.loads((folder / "out" / compare.RECORD).read_text())["rows"] == record["rows"]
    with pytest.raises(pytest.fail.Exception):
        compare.main([*words, "compare.size=48x32"])


def test_a_negative_control_carries_the_claim_that_is_not_reproduced(tmp_path, capsys):
    given = ["control_blueprint", "compare.size=64x36", "chip=m2", f"out={tmp_path}", f"runs={tmp_path}"]
    assert compare.main(given) == 0
    [row] = json.loads((tmp_path / compare.RECORD).read_text())["rows"]
    [claim] = row["disputed"]
    assert "3.31 against 2.96 ms" in claim
    assert "vendor's statement" in claim
    assert "all ANE¹" in (tmp_path / compare.PAGE).read_text()
    assert "all ANE¹" in capsys.readouterr().out


def test_a_network_without_a_package_says_why(tmp_path, capsys):
    words = ["quicksrnet_small_1.5x", "compare.size=63x35", f"out={tmp_path}", f"runs={tmp_path}"]
    assert compare.main(words) == 0
    [row] = json.loads((tmp_path / compare.RECORD).read_text())["rows"]
    assert "does not take 63x35" in row["error"]
    assert row["census"] == {}
    assert row["latencies"] == []
    assert "no package" in capsys.readouterr().out
    assert "no package" in (tmp_path / compare.PLOT).read_text()


def test_a_frame_smaller_than_the_overlap_of_tiles_is_compared_all_the_same(tiny, tmp_path):
    copy = tmp_path / "v.mlpackage"
    shutil.copytree(tiny.video, copy)
    [model] = copy.rglob("*.mlmodel")
    spec = open_package(copy).spec
    spec.description.metadata.userDefined[HALO_KEY] = "40"
    model.write_bytes(spec.SerializeToString())
    assert compare.main([str(copy), *SMALL, f"out={tmp_path}", f"runs={tmp_path}"]) == 0
    [row] = json.loads((tmp_path / compare.RECORD).read_text())["rows"]
    assert (row["error"], row["width"], row["height"]) == ("", 34, 20)


def test_names_patterns_and_files(tiny):
    assert [s.name for s in subjects([Path("quicksrnet_*_3x")])] == [
        "quicksrnet_large_3x", "quicksrnet_large_anchor_3x", "quicksrnet_medium_3x", "quicksrnet_small_3x",
    ]  # fmt: skip
    assert len(subjects([Path("all")])) == len(networks()) > 60
    assert len(subjects([Path("pipersr_2x"), Path("pipersr_2?"), tiny.weights])) == 2


@pytest.mark.parametrize("name", ["pipersr_2x", "quicksrnet_large_anchor_1.5x", "abpn_trained_anchor_2x"])
def test_a_variant_is_what_the_configuration_makes_of_it(name):
    assert networks()[name] == load([f"model={name}"]).model


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to compare"),
        (["pipersr_2"], "pipersr_2x"),
        (["nothing_at_all_like_it"], "no network and no file"),
        (["pipersr_2x", "model.blocks=3"], "no model settings"),
        (["pipersr_2x", "compare.size=360p,480p"], "compare.size"),
        (["pipersr_2x", "compare.size=abc"], "configuration key compare.size"),
        (["pipersr_2x", "chip=m99"], "m99"),
    ],
)
def test_bad_input(words, message, tmp_path):
    with pytest.raises(InputError) as caught:
        compare.main([*words, f"runs={tmp_path}"])
    assert message in str(caught.value)


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be compared"):
        subjects([tmp_path])


def quality(subject, psnr):
    images = [ImageQuality(image="a", psnr=psnr, ssim=0.9)]
    return Quality(subject=subject, dataset="Set5", protocol="y_float", scale=2, images=images,
                   mean_psnr=psnr, mean_ssim=0.9)  # fmt: skip


def test_an_evaluation_counts_only_for_the_file_that_it_names(tiny, tmp_path):
    subject = subjects([tiny.weights])[0]
    config = load([f"runs={tmp_path}"])
    for number, sha256 in enumerate((files.sha256(tiny.weights), "0" * 64)):
        judged = evaluations.Subject(
            name="w", kind="weights", scale=2, parameters=1, runner="r", sha256=sha256
        )
        found = evaluations.Evaluation(provenance=provenance(), config={}, subjects=[judged],
                                       pictures=[], against_published=[],
                                       quality=[quality("w", 30.5 + number)])  # fmt: skip
        evaluations.save(found, tmp_path / "evaluation" / str(number) / "quality.json")
    [score] = scores_of(subject, config)
    assert (score.psnr, score.origin) == (30.5, "0/quality.json")


def test_weights_that_come_with_the_toolkit_have_their_package_measured(tiny, tmp_path, monkeypatch):
    weights = tmp_path / "tiny.safetensors"
    shutil.copy(tiny.weights, weights)
    monkeypatch.setattr(compare_scores, "reference_weights", lambda _: weights)
    [network], config = subjects([Path("pipersr_2x")]), load([f"runs={tmp_path}"])
    judged = [
        evaluations.Subject(name="w", kind="weights", scale=2, parameters=1, runner="r", sha256="0" * 64),
        evaluations.Subject(name="p", kind="package", scale=2, parameters=1, runner="r", sha256="1" * 64),
    ]
    found = evaluations.Evaluation(provenance=provenance(), config={}, subjects=judged, pictures=[],
                                   quality=[quality("w", 33.1), quality("p", 33.0)],
                                   against_published=[])  # fmt: skip
    evaluations.save(found, tmp_path / "tiny.quality.json")
    assert scores_of(network, config) == []  # a record of other weights
    own = judged[0].model_copy(update={"sha256": files.sha256(weights)})
    found = found.model_copy(update={"subjects": [own, judged[1]]})
    evaluations.save(found, tmp_path / "tiny.quality.json")
    assert [(s.subject, s.psnr) for s in scores_of(network, config)] == [("p", 33.0)]


def test_the_evidence_of_an_export_counts_for_its_packages_and_weights(tiny, tmp_path):
    shutil.copytree(tiny.image, tmp_path / "image_128.mlpackage")
    shutil.copy(tiny.weights, tmp_path / "weights.safetensors")
    sha256 = files.sha256(tmp_path / "image_128.mlpackage")
    record = full()
    package = record.packages[0].model_copy(update={"sha256": sha256})
    rows = [quality("image_128.mlpackage", 31.5), quality("bicubic", 20.0)]
    update = {"weights_sha256": files.sha256(tiny.weights), "packages": [package], "quality": rows}
    evidence.save(record.model_copy(update=update), tmp_path / "evidence.json")
    config = load([f"runs={tmp_path}"])
    for path in (tmp_path / "image_128.mlpackage", tmp_path):
        [subject] = subjects([path])
        assert [s.psnr for s in scores_of(subject, config)] == [31.5]
    update["weights_sha256"] = "0" * 64
    evidence.save(record.model_copy(update=update), tmp_path / "evidence.json")
    assert scores_of(subjects([tmp_path])[0], config) == []


@pytest.fixture
def exports(tmp_path):
    """Two exports' folders of the same record."""
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        evidence.save(full(), tmp_path / name / "evidence.json")
    return tmp_path / "before", tmp_path / "after"


def test_two_exports_that_are_the_same(exports, capsys):
    assert compare.main([*map(str, exports)]) == 0
    assert "the same: " in capsys.readouterr().out
    found = compare_exports.changes(*exports, "compare")
    assert found.changes == []
    assert found.same["gates"] > 3
    assert found.same["quality"] > 3
    assert found.same["operations"] > 3
    assert {change.before == change.after for change in found.glance} == {True}
    assert "nothing that is recorded changed" in changes_html(found).lower()


def test_packages_that_one_export_does_not_have_are_named_and_not_taken_apart(exports):
    record = full()
    other = record.packages[0].model_copy(update={"file": "image_256.mlpackage"})
    evidence.save(record.model_copy(update={"packages": [other, record.packages[1]]}),
                  exports[1] / "evidence.json")  # fmt: skip
    found = compare_exports.changes(*exports, "compare").changes
    assert [(c.key, c.before, c.after) for c in found if c.part == "packages"] == [
        ("image_128.mlpackage", "image", None),
        ("image_256.mlpackage", None, "image"),
    ]
    assert not [c for c in found if c.part in ("operations", "sizes", "parity", "placement")]


def test_a_change_says_what_kind_it_is():
    words = [(1, 1), (None, 2), (2, None), (3, 1), (1.5, 2.25), ("a", "b"), (True, False)]
    told = [difference(Change(part="p", key="k", before=b, after=a)) for b, a in words]
    assert told == ["the same", "new", "gone", "-2", "+0.75", "", ""]


def test_digests_are_cut_to_what_tells_them_apart():
    assert value("5e" * 32) == "5e5e5e5e5e5e…"
    assert value("the deed of a decade") == "the deed of a decade"


def test_what_changed_between_two_exports(exports, tmp_path, capsys):
    record = full()
    smaller = record.packages[0].model_copy(update={"bytes": 7, "census": {"conv": 3}})
    gates = [record.gates[0].model_copy(update={"verdict": "fail"}), *record.gates[1:]]
    update = {
        "model": {**record.model, "channels": 32},
        "config": {"training": {"steps": 9, "seed": 1}, "export": {"sizes": ["360p"]}},
        "packages": [smaller, *record.packages[1:]],
        "gates": gates,
    }
    evidence.save(record.model_copy(update=update), exports[1] / "evidence.json")
    assert compare.main([*map(str, exports), f"compare.out={tmp_path / 'out'}"]) == 0
    found = json.loads((tmp_path / "out" / compare.RECORD).read_text())
    changed = {(c["part"], c["key"]): (c["before"], c["after"]) for c in found["changes"]}
    file = smaller.file
    assert changed["network", "channels"] == (64, 32)
    assert changed["configuration", "training.steps"] == (20_000, 9)
    assert changed["sizes", f"{file}, bytes"][1] == 7
    assert changed["operations", f"{file}, conv"][1] == 3
    assert changed["operations", f"{file}, silu"][1] is None
    assert changed["gates", f"{record.gates[0].name}, {record.gates[0].subject}"][1] == "fail"
    assert not any(part == "quality" for part, _ in changed)
    out, page = capsys.readouterr().out, (tmp_path / "out" / compare.PAGE).read_text()
    assert "training.steps" in out
    assert out.index("at a glance") < out.index("gates that failed") < out.index("training.steps")
    assert "20,000" in page
    assert "-19,991" in page
    assert not (tmp_path / "out" / compare.PLOT).exists()
