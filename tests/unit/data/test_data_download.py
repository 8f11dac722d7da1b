import errno
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web_server import Site, serving

from pipersr_build.data import download as module
from pipersr_build.data.download import TRIES, Wanted, download
from pipersr_build.errors import InputError

DATA = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
DIGEST = hashlib.sha256(DATA).hexdigest()
PIECE = 65_536


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.files["a.zip"] = DATA
        yield site


@pytest.fixture
def wanted(site: Site, tmp_path: Path) -> Wanted:
    return Wanted(site.url("a.zip"), tmp_path / "downloads" / "a.zip", len(DATA), DIGEST)


def fetch(wanted: Wanted) -> str:
    return download(wanted, pause=0.001)


def test_a_file_arrives_whole_and_nothing_else_is_left(wanted: Wanted) -> None:
    seen: list[tuple[int, int | None]] = []
    assert download(wanted, lambda done, total: seen.append((done, total))) == DIGEST
    assert wanted.target.read_bytes() == DATA
    assert [path.name for path in wanted.target.parent.iterdir()] == ["a.zip"]
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_broken_connection_is_taken_up_where_it_broke(wanted: Wanted, site: Site) -> None:
    site.faults.extend([-100_000, -150_000])
    assert fetch(wanted) == DIGEST
    assert site.ranges == [None, f"bytes={PIECE}-", f"bytes={PIECE + 2 * PIECE}-"]
    assert wanted.target.read_bytes() == DATA


def test_a_later_call_goes_on(wanted: Wanted, site: Site) -> None:
    wanted.target.parent.mkdir()
    wanted.part.write_bytes(DATA[:123_456])
    assert fetch(wanted) == DIGEST
    assert site.ranges == ["bytes=123456-"]


def test_a_whole_part_is_not_asked_for_again(wanted: Wanted, site: Site) -> None:
    wanted.target.parent.mkdir()
    wanted.part.write_bytes(DATA)
    assert fetch(wanted) == DIGEST
    assert site.ranges == []
    wanted.target.rename(wanted.part)  # its size is not known now: the server says that nothing is left
    assert fetch(Wanted(wanted.url, wanted.target)) == DIGEST
    assert site.ranges == [f"bytes={len(DATA)}-"]


@pytest.mark.parametrize("fault", ["no ranges", "wrong part"])
def test_a_server_that_sends_another_part_starts_it_over(wanted: Wanted, site: Site, fault: str) -> None:
    wanted.target.parent.mkdir()
    wanted.part.write_bytes(b"x" * 1000)  # would be a mismatch if it were kept
    site.faults.append(fault)
    assert fetch(wanted) == DIGEST
    assert site.ranges == ["bytes=1000-"] + ([None] if fault == "wrong part" else [])


def test_a_part_that_is_too_long_starts_over(wanted: Wanted, site: Site) -> None:
    wanted.target.parent.mkdir()
    wanted.part.write_bytes(DATA + b"more")
    assert fetch(wanted) == DIGEST
    assert site.ranges == [f"bytes={len(DATA) + 4}-", None]


def test_without_a_length_the_digest_decides(wanted: Wanted, site: Site) -> None:
    site.faults.append("no length")
    assert fetch(wanted) == DIGEST


def test_wrong_bytes_are_deleted_and_the_next_call_starts_clean(wanted: Wanted, site: Site) -> None:
    site.files["a.zip"] = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(InputError, match=r"is not a\.zip: its SHA-256 is") as caught:
        fetch(wanted)
    assert caught.value.where == wanted.url
    assert list(wanted.target.parent.iterdir()) == []
    site.files["a.zip"] = DATA
    assert fetch(wanted) == DIGEST
    assert site.ranges[-1] is None


def test_another_size_is_noticed_before_anything_is_fetched(wanted: Wanted, site: Site) -> None:
    site.files["a.zip"] = DATA[:-1]
    with pytest.raises(InputError, match="has 299,999 bytes and should have 300,000"):
        fetch(wanted)
    assert not wanted.part.exists()
    site.faults.append("no length")  # then it is noticed at the end
    site.files["a.zip"] = DATA + b"more"
    with pytest.raises(InputError, match="has 300,004 bytes and should have 300,000"):
        fetch(wanted)
    assert not wanted.part.exists()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_of_the_server_is_tried_again(wanted: Wanted, site: Site, status: int) -> None:
    site.faults.extend([status] * (TRIES - 1))
    assert fetch(wanted) == DIGEST
    assert len(site.ranges) == TRIES


def test_trying_ends_and_says_what_is_kept(wanted: Wanted, site: Site) -> None:
    site.faults.extend([-PIECE, *[500] * 100])
    with pytest.raises(InputError, match=f"after {TRIES} tries: the server answers 500") as caught:
        fetch(wanted)
    assert "65,536 bytes are kept" in str(caught.value.fix)
    assert len(site.ranges) == TRIES
    assert wanted.part.read_bytes() == DATA[:PIECE]
    assert not wanted.target.exists()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_tried_again(wanted: Wanted, site: Site, status: int) -> None:
    site.faults.append(status)
    with pytest.raises(InputError, match=f"the server answers {status}"):
        fetch(wanted)
    assert len(site.ranges) == 1


def test_the_pauses_grow(wanted: Wanted, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    site.faults.extend([500, 500, -2 * PIECE, 500])
    download(wanted)
    assert pauses == [1, 2, 1, 2]


def test_nobody_at_the_address(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
        with pytest.raises(InputError, match="no connection"):
            fetch(Wanted(url, tmp_path / "a.zip"))
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        fetch(Wanted("http://[", tmp_path / "a.zip"))
    assert "data.mirror" in str(caught.value.fix)


def test_a_disk_too_small_is_noticed_before(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 299_999

    monkeypatch.setattr(module, "disk_usage", lambda _folder: Usage)
    with pytest.raises(InputError, match="300,000 bytes are to be downloaded, the disk has 299,999"):
        fetch(wanted)


def test_a_disk_that_fills_up_keeps_what_there_is(
    wanted: Wanted, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = Path.open

    def open_full(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        file = really_open(path, mode, *more, **options)
        if path != wanted.part or "b" not in mode or mode == "rb":
            return file
        return Full(file)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(InputError, match="the disk is full") as caught:
        fetch(wanted)
    assert "it goes on from here" in str(caught.value.fix)
    assert wanted.part.read_bytes() == DATA[: 2 * PIECE]
    monkeypatch.undo()
    assert fetch(wanted) == DIGEST
    assert site.ranges[-1] == f"bytes={2 * PIECE}-"


class Full:
    """A file on a disk with room for two pieces."""

    def __init__(self, file: Any) -> None:
        self.file, self.room = file, 2

    def __enter__(self) -> "Full":
        return self

    def __exit__(self, *_error: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        return int(self.file.write(data))
