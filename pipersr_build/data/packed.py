"""Pictures in one file of raw pixels, read through a memory map, with an index beside it.

`<name>.u8` holds the pictures one behind the other: uint8, rows from the top, RGB, nothing between
them. `<name>.jsonl` says on its first line which format this is and then, one line of JSON for each,
what is where. Both only grow: a picture counts once its line is there, and the line is written after
the pixels. So a process killed at any moment leaves a whole, smaller pack, and the next one goes on.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pipersr_build import files
from pipersr_build.errors import InputError

Progress = Callable[[str], None]  # the picture just done

_HEADER = {"format": "pipersr-build pack", "version": 1}
_LOCK, _UNFINISHED = ".lock", ".unfinished"


@dataclass(frozen=True)
class Entry:
    """Where a picture lies in the pack.

    Args:
        name: of the picture.
        origin: what it was made from and how; another origin means that it must be made again.
        height: in pixels; 0 for an image that could not be read.
        width: in pixels.
        offset: of the first byte.
        sha256: of the pixels.
        broken: why the image could not be read, else empty.
    """

    name: str
    origin: str
    height: int = 0
    width: int = 0
    offset: int = 0
    sha256: str = ""
    broken: str = ""

    @property
    def end(self) -> int:
        """The byte behind the last."""
        return self.offset + self.height * self.width * 3


class Pack:
    """A pack as it lies on the disk.

    Args:
        folder: the packed corpus' folder; it need not exist.
        name: of the pack in it, for example `hr` or `lr_x2`.

    Raises:
        InputError: its index cannot be read.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.pixels, self.index = folder / f"{name}.u8", folder / f"{name}.jsonl"
        self.entries = {entry.name: entry for entry in _read_index(self.index)}
        if self.bytes > _length(self.pixels):
            self.entries = {
                name: entry for name, entry in self.entries.items() if entry.end <= _length(self.pixels)
            }
        self._map: NDArray[np.uint8] | None = None

    @property
    def bytes(self) -> int:
        """Up to the end of the last picture."""
        return max((entry.end for entry in self.entries.values()), default=0)

    def find(self, name: str, origin: str) -> Entry | None:
        """The picture of that name if it is there and was made from `origin`."""
        entry = self.entries.get(name)
        return entry if entry is not None and entry.origin == origin else None

    def rgb(self, entry: Entry) -> NDArray[np.uint8]:
        """A picture's pixels: a read-only view of the memory map, height, width, 3."""
        if self._map is None:
            self._map = np.asarray(np.memmap(self.pixels, np.uint8, "r"))
        return self._map[entry.offset : entry.end].reshape(entry.height, entry.width, 3)

    def damaged(self, progress: Progress | None = None) -> list[str]:
        """The names of the pictures whose pixels are not what they were when they were packed."""
        found = []
        for entry in self.entries.values():
            if not entry.broken and digest_of(self.rgb(entry)) != entry.sha256:
                found.append(entry.name)
            if progress is not None:
                progress(entry.name)
        return found


class Writer:
    """Appends to a pack; see `writing`."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._pixels: IO[bytes] = pack.pixels.open("r+b" if pack.pixels.exists() else "w+b")
        self._index: IO[str] = pack.index.open("a", encoding="utf-8")
        # What lies behind the last indexed picture is half of one.
        self._pixels.truncate(pack.bytes)
        self._pixels.seek(pack.bytes)

    def append(self, name: str, origin: str, rgb: NDArray[np.uint8], digest: str) -> Entry:
        """Add a picture, uint8 of shape height, width, 3, whose `digest_of` is given."""
        offset = self._pixels.tell()
        self._pixels.write(np.ascontiguousarray(rgb).data)
        self._pixels.flush()
        height, width = rgb.shape[:2]
        return self._note(Entry(name, origin, height, width, offset, digest))

    def append_broken(self, name: str, origin: str, why: str) -> Entry:
        """Add that an image cannot be read."""
        return self._note(Entry(name, origin, broken=why))

    def close(self) -> None:
        """Make sure that all of it is on the disk."""
        with ExitStack() as stack:
            for file in (self._pixels, self._index):
                stack.enter_context(file)
            for file in (self._pixels, self._index):
                file.flush()
                os.fsync(file.fileno())

    def _note(self, entry: Entry) -> Entry:
        self._index.write(_line(entry))
        self._index.flush()
        self.pack.entries[entry.name] = entry
        return entry


@contextmanager
def writing(
    folder: Path, names: list[str], *, verify: bool, progress: Progress | None = None
) -> Iterator[list[Writer]]:
    """Open packs in `folder` to append to them; nobody else can until the end.

    Pictures that turn out to be damaged are forgotten, so that they are made again.

    Args:
        folder: made if needed.
        names: of the packs.
        verify: read everything back first. After a process that was killed this is done in any case:
            the system may have failed, too, and then the pixels may not have reached the disk.
        progress: called for each picture that is read back.

    Raises:
        InputError: the folder or the disk refuses, or another process is writing there.
    """
    files.make_folder(folder)
    unfinished = folder / _UNFINISHED
    with _locked(folder), files.write_errors(folder):
        packs = [_mended(Pack(folder, name), verify or unfinished.exists(), progress) for name in names]
        unfinished.touch()
        writers = [Writer(pack) for pack in packs]
        with ExitStack() as stack:
            stack.callback(unfinished.unlink)  # last
            for writer in writers:
                stack.callback(writer.close)
            yield writers


def is_unfinished(folder: Path) -> bool:
    """Whether a process that was writing there was killed (or is still at work)."""
    return (folder / _UNFINISHED).exists()


def digest_of(rgb: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's pixels."""
    return sha256(np.ascontiguousarray(rgb).data).hexdigest()


def _mended(pack: Pack, verify: bool, progress: Progress | None) -> Pack:
    """The pack without damaged pictures, its index written anew so that it ends with a whole line."""
    for name in pack.damaged(progress) if verify else ():
        del pack.entries[name]
    files.write_text(pack.index, json.dumps(_HEADER) + "\n" + "".join(map(_line, pack.entries.values())))
    return pack


def _line(entry: Entry) -> str:
    known = {key: value for key, value in asdict(entry).items() if value != ""}
    return json.dumps(known, ensure_ascii=False) + "\n"


def _read_index(index: Path) -> list[Entry]:
    """The entries; a last line without an end was being written when the process was killed."""
    if not index.is_file():
        return []
    *lines, _torn = index.read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        if not lines or json.loads(lines[0]) != _HEADER:
            raise ValueError("not of this version")
        return [Entry(**json.loads(line)) for line in lines[1:]]
    except (ValueError, TypeError) as error:
        fix = "delete its folder and prepare the corpus again"
        raise InputError(f"the packed corpus' index cannot be read: {error}", where=index, fix=fix) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "another process is preparing this corpus"
            raise InputError(what, where=folder, fix="wait until it has finished") from error
        yield


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
