"""Take the wanted images out of an archive, each checked and whole or not at all."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pipersr_build import files
from pipersr_build.data.archives import Archive
from pipersr_build.errors import InputError

Progress = Callable[[str], None]  # the image just done
_Read = Callable[[], bytes]

_SHOWN = 5


def unpack(archive: Archive, file: Path, home: Path, progress: Progress | None = None) -> None:
    """Write the archive's images to `home`; those that are there with the right size are left alone.

    Only members `…/<archive.folder>/<image>` are looked at, and where they go does not depend on their
    own paths. ZIP members are checked by their CRC-32.

    Raises:
        InputError: the file is no ZIP or TAR archive, is cut off or damaged, lacks an image, or the
            disk refuses. What was written is whole.
    """
    wanted = set(archive.images)
    with _archive_errors(file):
        for name, size, read in _members(file, archive.folder):
            if name not in wanted:
                continue
            wanted.remove(name)
            _place(home / name, size, read)
            if progress is not None:
                progress(name)
    if wanted:
        lacks = named(sorted(wanted), archive.folder)
        what = f"{file.name} is another archive or not whole: it lacks {lacks}"
        raise InputError(what, where=file, fix="delete it and run the same command again")


def named(names: list[str], folder: str) -> str:
    """Some of the names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"{folder}/{name}" for name in names[:_SHOWN]) + more


def _place(target: Path, size: int, read: _Read) -> None:
    if target.is_file() and target.stat().st_size == size:
        return
    data = read()
    if len(data) != size:
        raise EOFError(f"{target.name} has {len(data):,} bytes instead of {size:,}")
    files.write_bytes(target, data)


def _members(file: Path, folder: str) -> Iterator[tuple[str, int, _Read]]:
    """Name, size and reader of each file that lies in a folder of that name."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as opened:
            for info in opened.infolist():
                if not info.is_dir() and _in_folder(info.filename, folder):
                    yield PurePosixPath(info.filename).name, info.file_size, _zip_reader(opened, info)
        return
    with tarfile.open(file, "r:*") as tar:
        for member in tar:
            if member.isfile() and _in_folder(member.name, folder):
                yield PurePosixPath(member.name).name, member.size, _tar_reader(tar, member)


def _in_folder(path: str, folder: str) -> bool:
    return PurePosixPath(path).parent.name == folder


def _zip_reader(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Read:
    return lambda: opened.read(info)


def _tar_reader(tar: tarfile.TarFile, member: tarfile.TarInfo) -> _Read:
    def read() -> bytes:
        content: IO[bytes] | None = tar.extractfile(member)
        return content.read() if content is not None else b""

    return read


@contextmanager
def _archive_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        what = f"{file.name} is no archive, is cut off or is damaged: {error}"
        raise InputError(what, where=file, fix="delete it and run the same command again") from error
