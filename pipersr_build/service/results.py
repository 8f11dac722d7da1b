"""Finished videos that wait to be fetched, each once, for a while."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MOST = 4  # that may wait; a further one takes the oldest one's place, so the disk cannot fill up


@dataclass(frozen=True)
class Waiting:
    """A finished file, the name to give it, and until when it waits."""

    path: Path
    name: str
    until: float


class Results:
    """Finished files by names that cannot be guessed.

    Args:
        folder: where they are moved to; on the same file system as the jobs' folders.
        seconds: that each waits.
        clock: in seconds.
    """

    def __init__(self, folder: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.seconds, self._clock = folder, seconds, clock
        self._waiting: dict[str, Waiting] = {}

    def add(self, path: Path, name: str) -> str:
        """Move a finished file here; return the key to fetch it by."""
        key = secrets.token_urlsafe(32)
        kept = path.rename(self.folder / f"result-{secrets.token_hex(8)}")
        self._waiting[key] = Waiting(kept, name, self._clock() + self.seconds)
        self.purge()
        return key

    def take(self, key: str) -> Waiting | None:
        """The file of that key, which is nobody's any more: the caller removes it when it is sent."""
        self.purge()
        return self._waiting.pop(key, None)

    def purge(self) -> None:
        """Remove the files that have waited too long, and the oldest if there are too many."""
        now = self._clock()
        for place, (key, item) in enumerate(reversed(list(self._waiting.items()))):
            if item.until <= now or place >= _MOST:
                del self._waiting[key]
                item.path.unlink(missing_ok=True)
