from pathlib import Path

import pytest
from small_corpora import TRAIN, VALID, archive, table

from pipersr_build.data.archives import archives_of
from pipersr_build.errors import InputError


def test_div2k_is_the_official_one() -> None:
    train, valid = archives_of("div2k")
    assert (train.images[0], train.images[-1], len(train.images)) == ("0001.png", "0800.png", 800)
    assert (valid.images[0], valid.images[-1], len(valid.images)) == ("0801.png", "0900.png", 100)
    assert train.url == "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip"
    assert valid.url == "http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip"
    assert (train.use, valid.use) == ("train", "holdout")


def test_df2k_adds_flickr2k_to_train_on() -> None:
    *div2k, flickr = archives_of("df2k")
    assert div2k == archives_of("div2k")
    assert (flickr.url, flickr.use) == ("https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar", "train")
    assert (flickr.images[0], flickr.images[-1], len(flickr.images)) == ("000001.png", "002650.png", 2650)


@pytest.mark.parametrize("corpus", ["div2k", "df2k"])
def test_every_archive_says_where_its_facts_are_from(corpus: str) -> None:
    for entry in archives_of(corpus):
        assert "http" in entry.source
        assert entry.licence
        assert (entry.sha256 is None) == (entry.bytes is None)


def test_a_mirror_and_another_table(tmp_path: Path) -> None:
    assert [entry.url for entry in archives_of("div2k", mirror="http://here:8000/data/")] == [
        "http://here:8000/data/DIV2K_train_HR.zip",
        "http://here:8000/data/DIV2K_valid_HR.zip",
    ]
    mine = [archive("train", sha256="0" * 64, bytes=7), archive("holdout")]
    (tmp_path / "mine.toml").write_text(table(*mine))
    read = archives_of("div2k", tmp_path / "mine.toml")
    assert read == mine
    assert [entry.images for entry in read] == [TRAIN, VALID]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[archive]", "cannot be read"),
        ("[[archive]]\nfile = 'a'", "cannot be read"),
        (table(archive("train"), archive("holdout")).replace("train_HR", "../up"), "cannot be read"),
        (table(archive("train"), archive("holdout")).replace("digits", "digitz"), "cannot be read"),
        (table(archive("train")), "no archives to train on and to hold out for div2k"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        archives_of("div2k", tmp_path / "mine.toml")
    assert caught.value.where == str(tmp_path / "mine.toml")
    with pytest.raises(InputError, match="cannot be read"):
        archives_of("div2k", tmp_path / "missing.toml")
