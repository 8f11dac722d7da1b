import csv
import errno
import json
import math

import pytest

from pipersr_build import cli, files
from pipersr_build.commands import estimate, variants
from pipersr_build.placement.latency import Band

TINY = ["model.blocks=1", "model.channels=8", "export=video", "export.video.size=640x360"]


def test_one_configuration(tmp_path, capsys):
    assert estimate.main([*TINY, "chip=m4", f"out={tmp_path}", "fps=30"]) == 0
    out = capsys.readouterr().out
    assert "predicted" in out
    assert "no rate known" in out  # the A19
    assert out.index("M4") < out.index("A14")  # the chosen chip first
    [row] = json.loads((tmp_path / "estimate.json").read_text())
    assert (row["package"], row["width"], row["height"], row["scale"]) == ("video_640x360", 640, 360, 2)
    convolutions = 2 * 9 * 640 * 360 * (3 * 8 + 2 * 8 * 8 + 8 * 12)
    assert row["gflop"] * 1e9 == pytest.approx(convolutions, rel=0.05)  # and a little for silu and additions
    assert row["operations"] == 8  # four convolutions, silu, two additions, pixel_shuffle
    assert row["parameters"] == 9 * (3 * 8 + 2 * 8 * 8 + 8 * 12) + 8 + 2 * 8 + 12 + 2 * 2 * 8
    first = row["latencies"][0]
    assert first["chip"] == "M4"
    assert 0 < first["low"] < first["expected"] < first["high"]
    assert first["reaches"] == "yes"
    assert first["placement_basis"].startswith("H16 (A17 Pro, M4)")
    assert all(one["placement_basis"] for one in row["latencies"])
    assert "placement: H16 (A17 Pro, M4)" in out
    assert {one["chip"] for one in row["latencies"] if one["expected"] is None} == {"A19"}
    assert (tmp_path / "estimate.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("rms_norm", "four of them on the CPU"),
        ("blueprint", "3.31 against 2.96 ms"),
        ("channel_attention", ""),
    ],
)
def test_what_others_report_and_is_not_reproduced_is_a_note(change, said, tmp_path, capsys):
    small = ["model.blocks=1", "model.channels=16", "export=video", "export.video.size=64x48"]
    assert estimate.main([f"model=control_{change}", *small, "chip=m2", f"out={tmp_path}"]) == 0
    out, [row] = capsys.readouterr().out, json.loads((tmp_path / "estimate.json").read_text())
    assert (out.count("not reproduced by the prediction: "), len(row["disputed"])) == (bool(said), bool(said))
    assert said in " ".join(row["disputed"])
    assert all("(source: " in text for text in row["disputed"])
    assert "disputed" not in (tmp_path / "estimate.csv").read_text()


def test_variants_make_a_table(tmp_path, capsys):
    words = [
        "-m",
        *TINY[2:],
        "model.blocks=1",
        "model.channels=8,32",
        "chip=m4",
        "fps=900",
        f"out={tmp_path}",
    ]
    assert estimate.main(words) == 0
    with (tmp_path / "estimate.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model.channels"], row["chip"], row["package"]) for row in rows] == [
        ("8", "M4", "video_640x360"), ("32", "M4", "video_640x360"),
    ]  # fmt: skip
    small, large = rows
    assert float(small["expected"]) < float(large["expected"])
    assert large["reaches"] == "no"
    assert "channels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("band", "answer"),
    [
        ((20, 25, 33), "yes"),
        ((20, 30, 40), "within the band"),
        ((34, 40, 50), "no"),
        ((math.nan,) * 3, "unknown"),
    ],
)
def test_a_frame_rate_is_reached_wholly_in_part_or_not(band, answer):
    assert variants.reaches(Band("M2", *band), 30) == answer


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("chip=m9", "no chip is called 'm9'"),
        ("export.video.size=tall", "frame size 'tall'"),
        ("model=unknown", "model"),
        ("model.blocks=0", "model.blocks is 0"),
        ("fps=0", "estimate.fps"),
        ("weights=a.pth", "pipersr-build compare a.pth"),
        ("chip=m2,m4", "--multirun"),
        ("word", "not understood"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(word, says, capsys, monkeypatch):
    monkeypatch.setattr(variants, "build", lambda *_, **__: pytest.fail("converted"))
    assert cli.main(["estimate", "export=video", word]) == 2
    assert says in capsys.readouterr().err


def test_a_file_in_the_folders_place_is_refused_before_anything_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(variants, "build", lambda *_, **__: pytest.fail("converted"))
    (tmp_path / "file").write_text("")
    assert cli.main(["estimate", *TINY, f"out={tmp_path / 'file'}"]) == 2
    assert "a file stands" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_made(tmp_path, capsys, monkeypatch):
    def refuse(folder):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(folder))

    monkeypatch.setattr(variants, "build", lambda *_, **__: pytest.fail("converted"))
    monkeypatch.setattr(files, "make_folder", refuse)  # what the system says of folders in /proc
    assert cli.main(["estimate", *TINY, f"out={tmp_path / 'x'}"]) == 2
    assert "the folder cannot be created: No such file" in capsys.readouterr().err


def test_a_network_too_small_for_the_engine_says_so(capsys):
    assert estimate.main([*TINY[:3], "export.video.size=64x48", "chip=m4"]) == 0
    out = capsys.readouterr().out
    assert "not all ANE" in out
    assert "no latency" in out


def test_a_multirun_without_variants_is_refused(capsys):
    assert cli.main(["estimate", "-m", *TINY]) == 2
    assert "nothing varies" in capsys.readouterr().err
