import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_corpora import picture

from pipersr_build.data.packed import Pack, Writer, digest_of, is_unfinished, writing
from pipersr_build.errors import InputError

PICTURES = {f"sub/{n}.png": picture(n, 5 + n, 7) for n in range(4)}


def add(writer: Writer, *names: str) -> None:
    for name in names:
        writer.append(name, f"origin of {name}", PICTURES[name], digest_of(PICTURES[name]))


def filled(folder: Path, *names: str) -> Pack:
    with writing(folder, ["hr"], verify=False) as (writer,):
        add(writer, *(names or PICTURES))
    return Pack(folder, "hr")


def holds(pack: Pack) -> list[str]:
    """The names of the pictures in a pack, which must all be as they were put in."""
    for name, entry in pack.entries.items():
        np.testing.assert_array_equal(pack.rgb(entry), PICTURES[name])
    return list(pack.entries)


def test_pictures_come_back_as_read_only_views_of_one_map(tmp_path: Path) -> None:
    pack = filled(tmp_path / "new" / "pack")
    assert holds(pack) == list(PICTURES)
    views = [pack.rgb(entry) for entry in pack.entries.values()]
    assert not any(view.flags.writeable or view.flags.owndata for view in views)
    assert all(view.dtype == np.uint8 and view.flags.c_contiguous for view in views)
    whole = np.memmap(pack.pixels, np.uint8, "r")
    assert b"".join(view.tobytes() for view in views) == whole.tobytes()
    assert pack.bytes == whole.size
    with pytest.raises(ValueError, match="read-only"):
        views[0][0, 0, 0] = 1


def test_a_picture_is_found_by_its_name_and_origin(tmp_path: Path) -> None:
    pack = filled(tmp_path)
    found = pack.find("sub/1.png", "origin of sub/1.png")
    assert found is not None
    assert (found.height, found.width, found.sha256) == (6, 7, digest_of(PICTURES["sub/1.png"]))
    assert pack.find("sub/1.png", "another origin") is None
    assert pack.find("sub/9.png", "origin of sub/9.png") is None


def test_nothing_is_an_empty_pack(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "missing", "hr")
    assert (pack.entries, pack.bytes, pack.damaged()) == ({}, 0, [])


def test_a_later_entry_of_the_same_name_counts(tmp_path: Path) -> None:
    filled(tmp_path)
    with writing(tmp_path, ["hr"], verify=False) as (writer,):
        writer.append_broken("sub/1.png", "new origin", "it is damaged")
        writer.append("sub/2.png", "new origin", PICTURES["sub/3.png"], digest_of(PICTURES["sub/3.png"]))
    pack = Pack(tmp_path, "hr")
    assert pack.entries["sub/1.png"].broken == "it is damaged"
    np.testing.assert_array_equal(pack.rgb(pack.entries["sub/2.png"]), PICTURES["sub/3.png"])
    assert len(pack.entries) == 4


@given(pixels=st.integers(0, 1 << 20), line=st.integers(0, 1 << 20))
def test_whatever_was_written_last_a_killed_writer_leaves_whole_pictures(
    tmp_path_factory: pytest.TempPathFactory, pixels: int, line: int
) -> None:
    """Pixels are written before their line: cut the index anywhere, and the pixels behind its last line."""
    folder = tmp_path_factory.mktemp("pack")
    pack = filled(folder)
    index = pack.index.read_bytes()
    header = index.index(b"\n") + 1
    cut = header + line % (len(index) - header + 1)
    pack.index.write_bytes(index[:cut])
    left = Pack(folder, "hr")
    spare = pack.bytes - left.bytes
    os.truncate(pack.pixels, left.bytes + pixels % (spare + 1))
    assert holds(Pack(folder, "hr")) == list(PICTURES)[: index[:cut].count(b"\n") - 1]
    with writing(folder, ["hr"], verify=False) as (writer,):
        add(writer, *(name for name in PICTURES if name not in writer.pack.entries))
    assert holds(Pack(folder, "hr")) == list(PICTURES)
    assert pack.pixels.stat().st_size == pack.bytes
    assert len(pack.index.read_text().splitlines()) == 5


def test_pictures_beyond_the_end_of_the_file_are_not_there(tmp_path: Path) -> None:
    pack = filled(tmp_path)
    os.truncate(pack.pixels, pack.bytes - 1)
    assert holds(Pack(tmp_path, "hr")) == list(PICTURES)[:3]
    pack.pixels.unlink()
    assert holds(Pack(tmp_path, "hr")) == []


def test_damaged_pixels_are_found_and_made_again(tmp_path: Path) -> None:
    pack = filled(tmp_path)
    data = bytearray(pack.pixels.read_bytes())
    data[pack.entries["sub/1.png"].offset + 3] ^= 1
    pack.pixels.write_bytes(data)
    seen: list[str] = []
    assert Pack(tmp_path, "hr").damaged(seen.append) == ["sub/1.png"]
    assert seen == list(PICTURES)
    with writing(tmp_path, ["hr"], verify=True) as (writer,):
        assert "sub/1.png" not in writer.pack.entries
        add(writer, "sub/1.png")
    assert sorted(holds(Pack(tmp_path, "hr"))) == sorted(PICTURES)


def test_after_a_killed_process_everything_is_read_back(tmp_path: Path) -> None:
    pack = filled(tmp_path)
    assert not is_unfinished(tmp_path)
    (tmp_path / ".unfinished").touch()
    pack.pixels.write_bytes(bytes(pack.bytes))  # as after a power failure
    with writing(tmp_path, ["hr"], verify=False) as (writer,):
        assert writer.pack.entries == {}
        assert is_unfinished(tmp_path)
    assert not is_unfinished(tmp_path)


def test_only_one_process_writes(tmp_path: Path) -> None:
    with writing(tmp_path, ["hr"], verify=False) as (writer,):
        add(writer, "sub/0.png")
        with pytest.raises(InputError, match="another process"), writing(tmp_path, ["hr"], verify=False):
            pass
        add(writer, "sub/1.png")
    assert holds(Pack(tmp_path, "hr")) == ["sub/0.png", "sub/1.png"]


class FullDisk:
    """A file that takes half of what it is given."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: memoryview) -> None:
        self.file.write(data.cast("B")[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def fill_up(folder: Path) -> None:
    with writing(folder, ["hr"], verify=False) as (writer,):
        add(writer, "sub/0.png", "sub/1.png")
        real = writer._pixels
        try:
            writer._pixels = FullDisk(real)  # type: ignore[assignment]
            add(writer, "sub/2.png")
        finally:
            writer._pixels = real


def test_a_full_disk_is_one_message_and_costs_the_last_picture_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"):
        fill_up(tmp_path)
    assert holds(Pack(tmp_path, "hr")) == ["sub/0.png", "sub/1.png"]
    filled(tmp_path, "sub/2.png", "sub/3.png")
    assert holds(Pack(tmp_path, "hr")) == list(PICTURES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "nonsense\n",
        '{"format": "pipersr-build pack", "version": 0}\n',
        "HEADER\n{}\n",
        "HEADER\n[\n",
    ],
)
def test_an_index_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    header = filled(tmp_path).index.read_text().splitlines()[0]
    assert json.loads(header)["version"] == 1
    (tmp_path / "hr.jsonl").write_text(text.replace("HEADER", header))
    with pytest.raises(InputError, match="index cannot be read") as caught:
        Pack(tmp_path, "hr")
    assert caught.value.where == str(tmp_path / "hr.jsonl")
