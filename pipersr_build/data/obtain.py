"""Bring the images of official archives to the disk: download, check, unpack; only what is missing."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipersr_build import files
from pipersr_build.data.archives import Archive
from pipersr_build.data.download import Wanted, download, file_sha256
from pipersr_build.data.sources import home_of
from pipersr_build.data.unpack import named, unpack
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.progress import bar, say

_MEGABYTE = 1_000_000


def check_images(archives: Sequence[Archive], folder: Path) -> None:
    """Whether `folder`, which the user gave, holds every image.

    Raises:
        InputError: naming those that are missing.
    """
    if not folder.is_dir():
        raise InputError("no such folder", where=folder, fix="give the folder that holds the images")
    for archive in archives:
        missing = _missing(archive, folder)
        if missing:
            share = f"{len(missing)} of {len(archive.images)} images"
            what = f"{share} are missing: {named(missing, archive.folder)}"
            raise InputError(what, where=folder, fix="complete it, or leave data.folder out to download them")


def obtain(archives: Sequence[Archive], images: Path, downloads: Path) -> None:
    """Make every image be in `images`, downloading and unpacking the archives that have missing ones.

    Raises:
        InputError: see `download` and `unpack`, or an archive in `downloads` is another than the table's.
        InterruptedRunError: Ctrl-C; the next call goes on.
    """
    for archive in archives:
        missing = _missing(archive, images)
        if not missing:
            continue
        try:
            file = _archive_file(archive, downloads)
            with bar(f"unpacking {file.name}", total=len(archive.images)) as shown:
                unpack(archive, file, home_of(archive, images), lambda name: shown.advance(note=name))
        except KeyboardInterrupt:
            what = f"interrupted while fetching {archive.file}; what has arrived is kept"
            fix = "run the same command again to go on"
            raise InterruptedRunError(what, where=downloads, fix=fix) from None


def _missing(archive: Archive, folder: Path) -> list[str]:
    home = home_of(archive, folder)
    return [name for name in archive.images if not (home / name).is_file()]


def _archive_file(archive: Archive, downloads: Path) -> Path:
    """The archive on the disk, checked: there already, or downloaded."""
    target = downloads / archive.file
    record = target.with_name(f"{target.name}.sha256")
    recorded = _read_record(record)
    if not target.is_file():
        digest = _fetch(archive, target, archive.sha256 or recorded, record)
    elif _is_checked(archive, target, recorded):
        return target
    else:
        digest = _check_given(archive, target)
    files.write_text(record, f"{digest}  {target.name}\n")
    if archive.sha256 is None and recorded is None:
        say(f"no SHA-256 of {target.name} is published; this one's is kept for comparison: {record}")
    return target


def _is_checked(archive: Archive, target: Path, recorded: str | None) -> bool:
    """Whether an earlier call found this file to be the right one."""
    right_size = archive.bytes in (None, target.stat().st_size)
    return right_size and recorded is not None and archive.sha256 in (None, recorded)


def _fetch(archive: Archive, target: Path, sha256: str | None, record: Path) -> str:
    say(f"downloading {archive.url} (licence: {archive.licence})")
    hint = "" if archive.sha256 else f"; if its publisher has changed the file, delete {record}"
    wanted = Wanted(archive.url, target, archive.bytes, sha256, hint)
    with bar(f"{target.name}, MB", total=_in_megabytes(archive.bytes)) as shown:
        shown_before = 0

        def progress(done: int, total: int | None) -> None:
            nonlocal shown_before
            if total is not None:
                shown.set_total(_in_megabytes(total))
            shown.advance(_in_megabytes(done) - shown_before)
            shown_before = _in_megabytes(done)

        return download(wanted, progress)


def _check_given(archive: Archive, target: Path) -> str:
    """The digest of an archive that was put there by hand.

    Raises:
        InputError: it is not the table's; it is left where it is.
    """
    size = target.stat().st_size
    say(f"checking {target} …")
    digest = file_sha256(target)
    if archive.bytes not in (None, size) or archive.sha256 not in (None, digest):
        what = f"{target.name} is another archive or half of one: {size:,} bytes, SHA-256 {digest}"
        raise InputError(what, where=target, fix="move it away and run the same command again to download it")
    return digest


def _read_record(record: Path) -> str | None:
    """The digest in a file as `sha256sum` writes it, if there is one."""
    words = record.read_text(encoding="utf-8", errors="replace").split() if record.is_file() else []
    return words[0] if words and re.fullmatch(r"[0-9a-f]{64}", words[0]) else None


def _in_megabytes(size: int | None) -> int:
    return -(-(size or 0) // _MEGABYTE)
