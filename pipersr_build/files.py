"""Write files and folders so that a reader sees the old one or the new one, never half of one."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipersr_build.errors import InputError

SAFE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")  # may name a folder: no separator, no leading dot

_FREE_SPACE = "free some space or choose another output folder"
_PERMISSIONS = "choose another output folder or change its permissions"
_ELSEWHERE = "choose another output folder"
_CAUSES = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("the disk quota is used up", _FREE_SPACE),
    errno.EFBIG: ("the file would be larger than the system allows", _FREE_SPACE),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "choose a shorter name"),
    errno.EACCES: ("the folder cannot be written to", _PERMISSIONS),
    errno.EPERM: ("the folder cannot be written to", _PERMISSIONS),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.ENOTDIR: ("a file stands where a folder is needed", _ELSEWHERE),
    errno.EEXIST: ("a file stands where a folder is needed", _ELSEWHERE),
    errno.ELOOP: ("links lead round in a circle", "give a path without them"),
}
_NO_FILES = (errno.ENOENT, errno.EINVAL, errno.ENXIO, errno.EOPNOTSUPP)  # of /proc, for example, when making


def explain_os_error(error: OSError, target: object = None) -> InputError | None:
    """Say what the operating system's refusal to write means for the user, if it is of a known kind."""
    if error.errno not in _CAUSES:
        return None
    what, fix = _CAUSES[error.errno]
    return InputError(what, where=target or error.filename, fix=fix)


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's reasons for refusing to write `target` into an `InputError`."""
    try:
        yield
    except OSError as error:
        explained = explain_os_error(error, target)
        if explained is None:
            raise
        raise explained from error


@contextmanager
def _making(target: Path) -> Iterator[None]:
    """`write_errors` while nothing is done but making files and folders at `target`.

    A file system that holds no files of a user's (/proc) says "no such file" to that.
    """
    try:
        with write_errors(target):
            yield
    except OSError as error:
        if error.errno not in _NO_FILES:
            raise
        raise InputError("no files can be made there", where=target, fix=_ELSEWHERE) from error


def make_folder(folder: Path) -> Path:
    """Create `folder` and its parents if needed, check that files can be made in it, return it.

    Raises:
        InputError: it cannot be created or written to.
    """
    with _making(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target` at once: beside it first, then renamed over it.

    Raises:
        InputError: a folder is called so, the folder cannot be written to or the disk is full; `target` is as
            it was.
    """
    if target.is_dir():
        raise InputError("a folder stands where the file is to be", where=target, fix="give a file's name")
    with _making(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with write_errors(target):
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            beside.chmod(0o644)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8; see `write_bytes`."""
    write_bytes(target, text.encode())


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A new empty folder inside `folder` that is removed at the end, whatever happens.

    What is to be kept is moved out of it with `replace`.
    """
    make_folder(folder)
    with write_errors(folder):
        stage = Path(tempfile.mkdtemp(dir=folder, prefix=".partial-"))
        stage.chmod(0o755)
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def replace(source: Path, target: Path) -> None:
    """Move file or folder `source` to `target` (same file system), replacing what is there."""
    with write_errors(target):
        if target.is_dir() and not target.is_symlink():
            old = target.with_name(f".old-{target.name}")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            source.rename(target)
            shutil.rmtree(old)
        else:
            source.replace(target)


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files and their relative names in sorted order."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Bytes in a file, or in all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
