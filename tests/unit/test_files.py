import errno
import os
from pathlib import Path

import pytest

from pipersr_build import files
from pipersr_build.errors import InputError


def leftovers(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_are_written_whole_and_leave_nothing_beside_them(tmp_path):
    files.write_bytes(tmp_path / "a" / "file", b"one")
    files.write_bytes(tmp_path / "a" / "file", b"two")
    assert (tmp_path / "a" / "file").read_bytes() == b"two"
    assert leftovers(tmp_path / "a") == ["file"]


@pytest.mark.parametrize("name", ["", "folder"])
def test_a_folder_in_the_way_of_a_file_is_named(tmp_path, monkeypatch, name):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="a folder stands where the file is to be"):
        files.write_bytes(Path(name), b"new")
    assert leftovers(tmp_path) == ["folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_refused_write_leaves_the_old_file_and_says_why(tmp_path, monkeypatch, number):
    target = tmp_path / "file"
    files.write_bytes(target, b"old")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match=r"disk is full|written to|read-only"):
        files.write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert leftovers(tmp_path) == ["file"]


def test_the_disk_may_fill_up_while_writing(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(handle, _mode):
        os.close(handle)
        return Full()

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(InputError, match="disk is full"):
        files.write_bytes(tmp_path / "file", b"data")
    assert leftovers(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        files.make_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize("write", [files.make_folder, lambda place: files.write_bytes(place / "file", b"")])
def test_a_file_system_without_files_of_a_users_is_named(tmp_path, monkeypatch, write):
    def refuse(path, *_, **__):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)  # as /proc does

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(InputError, match="no files can be made there") as told:
        write(tmp_path / "new")
    assert str(tmp_path / "new") in told.value.where


def test_a_file_that_vanishes_while_others_are_staged_is_no_bad_folder(tmp_path):
    with pytest.raises(FileNotFoundError), files.staging(tmp_path):
        (tmp_path / "missing").read_bytes()


def test_the_stage_vanishes_with_the_error_and_the_target_stays(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").write_text("old")

    def fail():
        with files.staging(tmp_path) as stage:
            (stage / "new").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert leftovers(tmp_path) == ["target"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").write_text("old")
    with files.staging(tmp_path) as stage:
        (stage / "new").write_text("new")
        files.replace(stage, tmp_path / "target")
    assert leftovers(tmp_path / "target") == ["new"]
    assert leftovers(tmp_path) == ["target"]


def test_a_folders_hash_depends_on_names_and_contents(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("same" if name != "c" else "other")
    assert files.sha256(tmp_path / "a") == files.sha256(tmp_path / "b") != files.sha256(tmp_path / "c")
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert files.sha256(tmp_path / "a") != files.sha256(tmp_path / "b")
