from pathlib import Path

import numpy as np
import pytest

from pipersr_build.data import photos
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.data.photos import PHOTOS, load_photos
from pipersr_build.errors import InputError, MachineError


def test_every_photograph_is_as_the_table_says() -> None:
    loaded = load_photos()
    assert [photo.name for photo in loaded] == [source.name for source in PHOTOS]
    for photo, source in zip(loaded, PHOTOS, strict=True):
        assert photo.split == source.split
        assert min(photo.rgb.shape[:2]) >= 300
        assert bool((photo.rgb == photo.rgb[..., :1]).all()) is source.gray
        assert source.licence


def test_names_and_files_are_unique_and_the_stereo_pair_is_not_split() -> None:
    assert len({source.name for source in PHOTOS}) == len({source.file for source in PHOTOS}) == len(PHOTOS)
    assert sum(source.file.startswith("motorcycle") for source in PHOTOS) == 1


def test_corpus_of_photographs() -> None:
    corpus = photos_corpus(minimum=300)
    assert [picture.name for picture in corpus.holdout] == ["chelsea", "coffee", "rocket"]
    assert len(corpus.train) == 8
    # The same pixels wherever the project is installed; another scikit-image may ship other files.
    assert corpus.fingerprint == photos_corpus().fingerprint
    with pytest.raises(InputError, match=r"301x301 pixels needed: chelsea \(451x300\)"):
        photos_corpus(minimum=301)


def test_a_missing_installation_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_folder", lambda: tmp_path)
    with pytest.raises(InputError, match="lacks a photograph"):
        load_photos()
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MachineError, match="not installed"):
        load_photos()


def test_photographs_have_detail() -> None:
    for photo in load_photos():
        assert np.abs(np.diff(photo.rgb.astype(int), axis=1)).mean() > 3, photo.name
