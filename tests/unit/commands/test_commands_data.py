import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipersr_build import cli, config
from pipersr_build.commands.pictures import corpus_of, holdout_set
from pipersr_build.errors import InputError
from tests.unit.data.small_corpora import TRAIN, VALID, archive, damage, members, table, write_images, zipped
from tests.unit.data.web_server import Site, serving

SMALL = ["training.patch=8"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two archives of DIV2K's form, and a table of them in mine.toml."""
    with serving() as site:
        site.files["train.zip"] = zipped(members("train_HR", TRAIN))
        site.files["holdout.zip"] = zipped(members("holdout_HR", VALID))
        sizes = {use: len(site.files[f"{use}.zip"]) for use in ("train", "holdout")}
        entries = [archive(use, site.url(), bytes=size) for use, size in sizes.items()]
        (tmp_path / "mine.toml").write_text(table(*entries))
        yield site


OFFICIAL = ["data.archives=mine.toml", "data.workers=1", *SMALL]


def words(action: str, *more: str) -> list[str]:
    return ["data", action, *more, "data.workers=1", *SMALL]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_an_official_corpus_from_the_archive_to_the_pictures(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config.load(["data=div2k", *OFFICIAL])
    with pytest.raises(InputError, match="div2k is not prepared") as caught:
        corpus_of(settings)
    assert caught.value.fix == "prepare it first with: pipersr-build data prepare data=div2k"
    assert cli.main(["data", "prepare", "corpus=div2k", *OFFICIAL]) == 0
    text = said(capsys)
    assert "data/packed/div2k: 6 images packed; 4 pictures to train on (0.0 megapixels), 2 held out" in text
    corpus = corpus_of(settings)
    assert [picture.name for picture in corpus.train] == [f"train_HR/{name}" for name in TRAIN]
    assert holdout_set(settings, corpus).name == "div2k, held out"
    requests = len(site.ranges)
    assert cli.main(["data", "prepare", "data=div2k", *OFFICIAL]) == 0
    assert "div2k: up to date; 4 pictures" in said(capsys)
    assert cli.main(["data", "check", "data=div2k", *OFFICIAL]) == 0
    assert "12 packed pictures, all as they were packed" in said(capsys)
    assert len(site.ranges) == requests


def test_official_images_that_are_on_the_disk_already(tmp_path: Path, site: Site) -> None:
    write_images(tmp_path / "DIV2K" / "train_HR", TRAIN)
    mine = ["data=div2k", "data.folder=DIV2K", *OFFICIAL]
    assert cli.main(["data", "prepare", *mine]) == 2
    write_images(tmp_path / "DIV2K" / "holdout_HR", VALID)
    assert cli.main(["data", "prepare", *mine]) == 0
    assert site.ranges == []
    without = config.load(["data=div2k", *OFFICIAL])  # once packed, nobody has to know where they were
    assert corpus_of(without).fingerprint == corpus_of(config.load(mine)).fingerprint


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (404, "the server answers 404"),
        ("size", "should have"),
        ("no zip", "is no archive"),
        ("other", "lacks train_HR/01.png"),
    ],
)
def test_a_download_that_is_not_what_was_wanted(
    site: Site, fault: int | str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = site.files["train.zip"]
    if isinstance(fault, int):
        site.faults.append(fault)
    elif fault == "size":
        site.files["train.zip"] = whole[:-10]
    else:
        wrong = b"x" * len(whole) if fault == "no zip" else zipped({"train_HR/02.png": b""})
        site.files["train.zip"] = wrong
        table_file = Path("mine.toml")
        table_file.write_text(table_file.read_text().replace(str(len(whole)), str(len(wrong))))
    assert cli.main(["data", "prepare", "data=div2k", *OFFICIAL]) == 2
    error = said(capsys)
    assert why in error
    assert "Traceback" not in error


def test_a_mirror(site: Site) -> None:
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace(site.url(), "http://localhost:9/"))
    assert cli.main(["data", "prepare", "data=div2k", f"data.mirror={site.url()}", *OFFICIAL]) == 0


def test_a_folder_is_read_opened_and_read_again_when_it_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "mine", ["a/1.png", "a/2.png", "b/3.png"])
    mine = ["data=folder", "data.folder=mine", "data.holdout=1"]
    mine += ["data.reductions=[0.5]", "data.reductions_least=20"]
    settings = config.load([*mine, *SMALL])
    read = corpus_of(settings)
    assert read.small is None
    assert cli.main(words("prepare", *mine)) == 0
    opened = corpus_of(settings)
    assert opened.small is not None
    assert opened.fingerprint == read.fingerprint
    assert len(opened.train) == 4
    write_images(tmp_path / "mine", ["b/4.png"])
    capsys.readouterr()
    changed = corpus_of(settings)
    assert (changed.small, len(changed.train)) == (None, 6)
    assert "does not hold all of mine any more" in said(capsys)


def test_the_reference_corpus_is_prepared_with_its_settings(tmp_path: Path) -> None:
    sets = ("General100", "BSDS_train199", "DIV2K_half50", "T91")
    write_images(tmp_path / "sr/train", [f"{name}/{n}.png" for name in sets for n in (1, 2)], 330, 320)
    write_images(tmp_path / "sr/train", ["T91/small.png"], 12, 12)
    (tmp_path / "sr/validation.txt").write_text("train/T91/2.png\n")
    mine = ["data=reference", "data.folder=sr/train"]
    assert cli.main(words("prepare", *mine)) == 0
    corpus = corpus_of(config.load([*mine, *SMALL]))
    weights = {picture.name: factor for picture, factor in zip(corpus.train, corpus.emphasis, strict=True)}
    assert weights["General100/1.png"] == weights["General100/1.png@0.8"] == 2
    assert weights["T91/1.png"] == weights["T91/1.png@0.8"] == 1
    assert "T91/1.png@0.64" not in weights  # 205 pixels
    assert "T91/small.png" not in weights
    assert [picture.name for picture in corpus.holdout] == ["T91/2.png"]


def test_broken_images_are_listed_and_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "mine", ["1.png", "2.png", "3.png", "4.png"])
    damage(tmp_path / "mine/2.png")
    damage(tmp_path / "mine/3.png")
    mine = ["data=folder", "data.folder=mine", "data.holdout=[1.png]"]
    assert cli.main(words("prepare", *mine)) == 2
    error = said(capsys)
    assert "2 images cannot be read: 2.png: the image is damaged" in error
    assert "3.png: the image is damaged" in error
    assert cli.main(words("prepare", *mine, "data.skip_broken=true")) == 0
    assert "left out, 2 that cannot be read: 2.png" in said(capsys)


def test_damage_to_a_pack_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "mine", ["1.png", "2.png", "3.png"])
    mine = ["data=folder", "data.folder=mine", "data.holdout=1"]
    assert cli.main(words("check", *mine)) == 2
    assert "nothing is packed" in said(capsys)
    assert cli.main(words("prepare", *mine)) == 0
    before = corpus_of(config.load([*mine, *SMALL])).fingerprint
    (pixels,) = tmp_path.glob("data/packed/*/hr.u8")
    data = bytearray(pixels.read_bytes())
    data[-1] ^= 1
    pixels.write_bytes(data)
    assert cli.main(words("check", *mine)) == 2
    assert "1 of 6 packed pictures are damaged: hr.u8: 3.png" in said(capsys)
    assert cli.main(words("prepare", *mine, "data.verify=true")) == 0
    assert cli.main(words("check", *mine)) == 0
    corpus = corpus_of(config.load([*mine, *SMALL]))
    assert corpus.fingerprint == before
    assert np.array_equal(corpus.training_pairs(2)[-1].hr, corpus.train[-1].rgb)


def test_photographs_can_be_packed_too() -> None:
    read = corpus_of(config.load(["data=photos", "data.lr=fly"]))
    assert cli.main(["data", "prepare", "data=photos", "data.lr=fly", "data.workers=1"]) == 0
    opened = corpus_of(config.load(["data=photos", "data.lr=fly"]))
    assert opened.fingerprint == read.fingerprint
    assert not opened.train[0].rgb.flags.owndata


@pytest.mark.parametrize(
    "given", [[], ["pack"], ["data=photos"], ["prepare", "photos"], ["prepare", "wings=2"]]
)
def test_other_words_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", *given]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert os.listdir() == []  # noqa: PTH208
