"""Hand the interpreter's lock over quickly while a pipeline runs."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 0.0005

_lock = threading.Lock()
_entered = 0
_before = 0.0


@contextmanager
def quick_switching() -> Iterator[None]:
    """Let a thread that waits for the interpreter's lock have it after 0.5 ms at most.

    Conversions are runs of operations of some 10 µs that each let the lock go, but take it back before a
    waiting thread has woken. Then that thread, which may be the prediction, gets it only when it insists,
    which is after 5 ms unless set, a quarter of a frame's time. The setting is the process's; the last to
    leave resets it.
    """
    global _entered, _before
    with _lock:
        if not _entered:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(SECONDS, _before))
        _entered += 1
    try:
        yield
    finally:
        with _lock:
            _entered -= 1
            if not _entered:
                sys.setswitchinterval(_before)
