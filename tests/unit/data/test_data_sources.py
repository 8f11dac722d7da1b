from pathlib import Path

import pytest
from small_corpora import TRAIN, VALID, archive, write_images

from pipersr_build.data.photos import PHOTOS
from pipersr_build.data.sources import (
    Sources,
    archive_sources,
    folder_sources,
    photos_sources,
    reference_sources,
)
from pipersr_build.errors import InputError

ARCHIVES = [archive("train"), archive("holdout")]


def split(sources: Sources) -> tuple[list[str], list[str]]:
    return tuple([s.name for s in sources.images if s.held is held] for held in (False, True))  # type: ignore[return-value]


def test_photographs_are_split_as_their_table_says() -> None:
    sources = photos_sources()
    assert [source.name for source in sources.images] == [photo.name for photo in PHOTOS]
    assert split(sources)[1] == ["chelsea", "coffee", "rocket"]
    assert all(source.path.is_file() for source in sources.images)


def test_a_folder_has_a_key_of_its_own(tmp_path: Path) -> None:
    one, other = (write_images(tmp_path / name / "My pictures", ["a.png", "b.png"]) for name in ("1", "2"))
    keys = [folder_sources(folder, 1).key for folder in (one, one / ".." / one.name, other)]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("My_pictures-")


def test_the_reference_list_lies_beside_the_folder(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "train", ["A/1.png", "B/2.png"])
    with pytest.raises(InputError, match="list of held-out pictures cannot be read") as caught:
        reference_sources(folder)
    assert caught.value.where == str(tmp_path / "validation.txt")
    (tmp_path / "validation.txt").write_text("train/B/2.png\n")
    assert split(reference_sources(folder)) == (["A/1.png"], ["B/2.png"])
    assert split(reference_sources(folder, 1)) == (["B/2.png"], ["A/1.png"])


def test_official_images_are_known_without_being_there(tmp_path: Path) -> None:
    sources = archive_sources("div2k", ARCHIVES, tmp_path)
    train, held = [f"train_HR/{name}" for name in TRAIN], [f"holdout_HR/{name}" for name in VALID]
    assert split(sources) == (train, held)
    assert (sources.name, sources.key, sources.fixed) == ("div2k", "div2k", True)
    assert sources.images[0].path == tmp_path / "train_HR" / "01.png"
    for holdout in (1, ["holdout_HR/05.png"]):  # the other is not used: it is not for training
        assert split(archive_sources("div2k", ARCHIVES, tmp_path, holdout)) == (train, held[:1])
    with pytest.raises(InputError, match=r"no picture is called train_HR/01\.png"):
        archive_sources("div2k", ARCHIVES, tmp_path, ["train_HR/01.png"])


def test_official_images_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    write_images(tmp_path / "DIV2K" / "train_HR", TRAIN)
    write_images(tmp_path / "DIV2K" / "holdout_HR", VALID)
    for folder in (tmp_path, tmp_path / "DIV2K"):
        assert all(source.path.is_file() for source in archive_sources("div2k", ARCHIVES, folder).images)
