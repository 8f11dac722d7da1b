import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_corpora import TRAIN, VALID, archive, members, write_images, zipped
from web_server import Site, serving

from pipersr_build.data import download
from pipersr_build.data import obtain as module
from pipersr_build.data.archives import Archive
from pipersr_build.data.obtain import check_images, obtain
from pipersr_build.errors import InputError, InterruptedRunError

CONTENT = {
    "train.zip": zipped(members("train_HR", TRAIN)),
    "holdout.zip": zipped(members("holdout_HR", VALID)),
}
DIGESTS = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(download.time, "sleep", lambda _seconds: None)
    with serving() as site:
        site.files |= CONTENT
        yield site


def archives(site: Site, known: bool = True) -> list[Archive]:
    """With size and digest if they are known."""
    facts = {
        use: {"bytes": len(CONTENT[f"{use}.zip"]), "sha256": DIGESTS[f"{use}.zip"]} if known else {}
        for use in ("train", "holdout")
    }
    return [archive(use, site.url(), **facts[use]) for use in facts]


def get(site: Site, tmp_path: Path, known: bool = True) -> None:
    obtain(archives(site, known), tmp_path / "images", tmp_path / "downloads")


def images(tmp_path: Path) -> list[str]:
    return sorted(path.relative_to(tmp_path / "images").as_posix() for path in tmp_path.glob("images/*/*"))


ALL = sorted([f"train_HR/{name}" for name in TRAIN] + [f"holdout_HR/{name}" for name in VALID])


def test_archives_are_fetched_checked_unpacked_and_not_again(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path)
    assert images(tmp_path) == ALL
    assert len(site.ranges) == 2
    record = tmp_path / "downloads" / "train.zip.sha256"
    assert record.read_text() == f"{DIGESTS['train.zip']}  train.zip\n"
    get(site, tmp_path)
    shutil.rmtree(tmp_path / "images" / "train_HR")  # the archive is still there
    get(site, tmp_path)
    assert images(tmp_path) == ALL
    shutil.rmtree(tmp_path / "downloads")  # the images are
    get(site, tmp_path)
    assert len(site.ranges) == 2


def test_an_unknown_digest_is_written_down_and_compared_the_next_time(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path, known=False)
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "downloads" / "train.zip").unlink()
    site.files["train.zip"] = zipped(members("train_HR", TRAIN[::-1]))
    with pytest.raises(InputError, match="its SHA-256 is") as caught:
        get(site, tmp_path, known=False)
    assert "delete" in str(caught.value.fix)
    assert "train.zip.sha256" in str(caught.value.fix)
    site.files |= CONTENT
    get(site, tmp_path, known=False)
    assert images(tmp_path) == ALL


def test_an_archive_put_there_by_hand_is_checked_and_never_deleted(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    half = CONTENT["train.zip"][:1000]
    (folder / "train.zip").write_bytes(half)
    with pytest.raises(InputError, match="another archive or half of one: 1,000 bytes"):
        get(site, tmp_path)
    assert (folder / "train.zip").read_bytes() == half
    (folder / "train.zip").write_bytes(CONTENT["train.zip"])
    get(site, tmp_path)
    assert images(tmp_path) == ALL
    assert site.ranges == []


def test_an_archive_that_changed_since_it_was_checked(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path)
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "downloads" / "train.zip").write_bytes(b"half")
    with pytest.raises(InputError, match="another archive or half of one"):
        get(site, tmp_path)


def test_interrupted_downloads_and_unpacking_go_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    for name in ("download", "unpack"):
        monkeypatch.setattr(module, name, interrupt)
        with pytest.raises(InterruptedRunError, match=r"interrupted while fetching train\.zip"):
            get(site, tmp_path)
        monkeypatch.undo()
    monkeypatch.setattr(download.time, "sleep", lambda _seconds: None)
    get(site, tmp_path)
    assert images(tmp_path) == ALL


def test_a_folder_that_the_user_gives(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "DIV2K"
    write_images(folder / "train_HR", TRAIN)
    write_images(folder / "holdout_HR", VALID)
    for place in (folder, folder.parent):
        check_images(archives(site), place)
    (folder / "train_HR" / "03.png").unlink()
    with pytest.raises(InputError, match=r"1 of 4 images are missing: train_HR/03\.png"):
        check_images(archives(site), folder)
    with pytest.raises(InputError, match="no such folder"):
        check_images(archives(site), tmp_path / "missing")
