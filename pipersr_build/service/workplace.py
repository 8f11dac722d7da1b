"""Where uploads and results lie: private folders that are gone when they are not needed, or at next start."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipersr_build import files
from pipersr_build.errors import InputError

_RUN = "run-"
_LOCK = "lock"


def default_folder() -> Path:
    """The user's cache folder for the service: $XDG_CACHE_HOME or ~/.cache, and `pipersr-build/service`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pipersr-build" / "service"


def prepared(folder: str | Path | None) -> Path:
    """The folder for what is being worked on, there and private; the user's cache folder for None.

    Raises:
        InputError: it cannot be made or written to, or others may write to it.
    """
    chosen = files.make_folder(Path(folder) if folder else default_folder())
    _check_private(chosen)
    return chosen


@contextmanager
def workplace(folder: str | Path | None) -> Iterator[Path]:
    """A new folder in `prepared(folder)` that only this user can read; removed at the end.

    What servers left that did not get to their end (killed, power cut) is removed first: the lock that a
    living server holds on its folder goes with its process.

    Raises:
        InputError: see `prepared`.
    """
    folder = prepared(folder)
    sweep(folder)
    with files.write_errors(folder):
        place = Path(tempfile.mkdtemp(prefix=_RUN, dir=folder))  # mode 0700
    lock = FileLock(place / _LOCK)
    lock.acquire()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()


def sweep(folder: Path) -> list[Path]:
    """Remove the folders in `folder` whose server no longer lives; return them."""
    dead = [place for place in folder.glob(f"{_RUN}*") if place.is_dir() and not place.is_symlink()]
    return [place for place in dead if _remove_dead(place)]


def _remove_dead(place: Path) -> bool:
    """Whether nobody held the folder's lock; it is removed then. One without a lock is just being made."""
    if not (place / _LOCK).is_file():
        return False
    lock = FileLock(place / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        shutil.rmtree(place, ignore_errors=True)
    finally:
        lock.release()
    return True


def _check_private(folder: Path) -> None:
    """Nobody else may own it or put things in its place."""
    about = folder.stat()
    others = hasattr(os, "getuid") and about.st_uid != os.getuid()
    if others or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            "others may write to the service's temporary folder",
            where=folder,
            fix=f"chmod 700 {folder}, or choose another one: serve.temporary=FOLDER",
        )


@contextmanager
def job_folder(place: Path) -> Iterator[Path]:
    """A new private folder in `place` for one request; removed at the end with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
