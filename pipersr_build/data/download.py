"""Download a large file: resumable, retried, checked, and never taken for whole before it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from http import HTTPStatus
from pathlib import Path
from shutil import disk_usage

import requests

from pipersr_build import files
from pipersr_build.errors import InputError

Progress = Callable[[int, int | None], None]  # bytes on the disk, bytes in all if that is known

TRIES = 5  # without a single new byte
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces of data
_PAUSE = 1.0  # seconds before the second try, doubled for each further one
_PIECE = 1 << 20
_NET_PIECE = 1 << 16  # what a broken connection loses at most
_PASSING = {408, 425, 429, *range(500, 600)}  # answers that may be different next time (RFC 9110, 6585)


@dataclass(frozen=True)
class Wanted:
    """What to download, and what it must turn out to be.

    Args:
        url: http(s) address.
        target: where it goes; until it is whole and checked it is `<target>.part`.
        size: bytes, if known.
        sha256: hexadecimal digest, if known.
        hint: what to add to the advice where the digest is another one.
    """

    url: str
    target: Path
    size: int | None = None
    sha256: str | None = None
    hint: str = ""

    @property
    def part(self) -> Path:
        """The file while it is not whole."""
        return self.target.with_name(self.target.name + ".part")


class _PassingError(Exception):
    """Something that may go better the next time."""


def download(wanted: Wanted, progress: Progress | None = None, pause: float = _PAUSE) -> str:
    """Fetch a file, going on with what an earlier call left in `<target>.part`; return its SHA-256.

    A broken connection, a time-out, an answer of the 5xx kind and the like are tried again, with
    growing pauses; `TRIES` in a row without a new byte end it.

    Args:
        wanted: what, from where and where to.
        progress: called after each piece.
        pause: seconds before the second try.

    Raises:
        InputError: the server refuses or cannot be reached, what arrived is not what was wanted (it is
            deleted), or it cannot be written. What can be used the next time is kept.
    """
    files.make_folder(wanted.target.parent)
    with requests.Session() as session:
        _until_whole(session, wanted, progress or (lambda _done, _total: None), pause)
    digest = file_sha256(wanted.part)
    _check(wanted, digest)
    with files.write_errors(wanted.target):
        wanted.part.replace(wanted.target)
    return digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file of any size, read in pieces."""
    digest = new_sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _until_whole(session: requests.Session, wanted: Wanted, progress: Progress, pause: float) -> None:
    failed = 0
    while True:
        before = _length(wanted.part)
        try:
            return _go_on(session, wanted, progress)
        except (_PassingError, requests.RequestException) as error:
            if not _may_pass(error):
                raise _refused(wanted, str(error)) from error
            failed = 1 if _length(wanted.part) > before else failed + 1
            if failed >= TRIES:
                raise _given_up(wanted, error) from error
        time.sleep(pause * 2 ** (failed - 1))


def _may_pass(error: Exception) -> bool:
    """Whether trying again can help: not with an address that is none, or redirects without end."""
    hopeless = (
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        requests.TooManyRedirects,
        requests.exceptions.SSLError,
    )
    return not isinstance(error, hopeless)


def _go_on(session: requests.Session, wanted: Wanted, progress: Progress) -> None:
    """One request for what is missing; returns when the part is whole."""
    have = _length(wanted.part)
    if wanted.size is not None and have == wanted.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(wanted.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        start, total = _understand(answer, wanted, have)
        if start == total:  # nothing is missing
            return
        _check_space(wanted, start, total)
        _save(answer, wanted, start, total, progress)


def _understand(answer: requests.Response, wanted: Wanted, have: int) -> tuple[int, int | None]:
    """From which byte on the answer goes, and how long the whole file is, if the server says so."""
    status = answer.status_code
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        if _whole_length(answer) == have:
            return have, have
        wanted.part.unlink()
        raise _PassingError("the file is shorter than what was downloaded before")
    if status in _PASSING:
        raise _PassingError(f"the server answers {status} {answer.reason}")
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _refused(wanted, f"the server answers {status} {answer.reason}")
    partial = status == HTTPStatus.PARTIAL_CONTENT
    total = _whole_length(answer) if partial else _number(answer.headers.get("Content-Length", ""))
    if wanted.size is not None and total not in (None, wanted.size):
        raise _other_size(wanted, total)
    # A server that knows no ranges sends everything, also where only the rest was asked for.
    return (_first_byte(answer, wanted, have) if partial else 0), total


def _first_byte(answer: requests.Response, wanted: Wanted, have: int) -> int:
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        wanted.part.unlink(missing_ok=True)
        raise _PassingError("the server sends another part than was asked for")
    return have


def _whole_length(answer: requests.Response) -> int | None:
    """The whole file's bytes from `Content-Range: bytes 10-19/20` or `bytes */20`."""
    return _number(answer.headers.get("Content-Range", "").rpartition("/")[2])


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _save(
    answer: requests.Response, wanted: Wanted, start: int, total: int | None, progress: Progress
) -> None:
    """Write what arrives behind the first `start` bytes.

    Raises:
        _PassingError: the connection broke off before the end.
    """
    done = start
    with _writing(wanted), wanted.part.open("r+b" if wanted.part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for piece in answer.iter_content(_NET_PIECE):
            file.write(piece)
            done += len(piece)
            progress(done, total)
    expected = total if total is not None else wanted.size
    if expected is not None and done < expected:
        raise _PassingError(f"the connection broke off after {done:,} of {expected:,} bytes")


@contextmanager
def _writing(wanted: Wanted) -> Iterator[None]:
    """The disk's refusals as `InputError`; the network's errors, which are OSErrors too, pass."""
    try:
        yield
    except requests.RequestException:
        raise
    except OSError as error:
        explained = files.explain_os_error(error, wanted.part)
        if explained is None:
            raise
        fix = f"{explained.fix}; then run the same command again: it goes on from here"
        raise InputError(explained.what, where=wanted.part, fix=fix) from error


def _check_space(wanted: Wanted, start: int, total: int | None) -> None:
    total = total if total is not None else wanted.size
    free = disk_usage(wanted.target.parent).free
    if total is not None and total - start > free:
        what = f"{total - start:,} bytes are to be downloaded, the disk has {free:,} left"
        raise InputError(what, where=wanted.target, fix="free some space or change data.root")


def _check(wanted: Wanted, digest: str) -> None:
    """Refuse, and delete, a file that is not what was wanted."""
    size = _length(wanted.part)
    if wanted.size is not None and size != wanted.size:
        raise _wrong(wanted, f"it has {size:,} bytes and should have {wanted.size:,}")
    if wanted.sha256 is not None and digest != wanted.sha256:
        raise _wrong(wanted, f"its SHA-256 is {digest} and should be {wanted.sha256}")


def _wrong(wanted: Wanted, why: str) -> InputError:
    wanted.part.unlink(missing_ok=True)
    what = f"what was downloaded is not {wanted.target.name}: {why}"
    fix = "it was deleted: run the same command again, or get the file elsewhere: data.mirror=…"
    return InputError(what, where=wanted.url, fix=fix + wanted.hint)


def _other_size(wanted: Wanted, size: int | None) -> InputError:
    what = f"the server's {wanted.target.name} has {size:,} bytes and should have {wanted.size:,}"
    return InputError(what, where=wanted.url, fix="get the file elsewhere: data.mirror=…")


def _refused(wanted: Wanted, why: str) -> InputError:
    fix = "look at the address in a browser, or get the file elsewhere: data.mirror=…"
    return InputError(f"{wanted.target.name} cannot be downloaded: {why}", where=wanted.url, fix=fix)


def _given_up(wanted: Wanted, error: Exception) -> InputError:
    what = f"{wanted.target.name} cannot be downloaded after {TRIES} tries: {_brief(error)}"
    kept = f"{_length(wanted.part):,} bytes are kept"
    fix = f"run the same command again to go on ({kept}), or get the file elsewhere: data.mirror=…"
    return InputError(what, where=wanted.url, fix=fix)


def _brief(error: Exception) -> str:
    """The innermost reason: requests wraps urllib3's errors, which wrap the system's."""
    if isinstance(error, requests.Timeout):
        return "the server is silent"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it broke off"
    return str(error)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
