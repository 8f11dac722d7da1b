"""Ctrl-C and the signals by which systems ask a process to end: heard now, obeyed between two steps."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipersr_build.errors import InterruptedRunError

# SIGUSR1 is what SLURM is usually told to send some time before a job's end
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]  # fmt: skip
PATIENCE = 2.0  # seconds; launchers may pass one Ctrl-C on as several signals


class Interruption:
    """Whether somebody asked for an end.

    A signal in the middle of a step would leave weights that no whole number of steps gives, so the
    first only asks for a stop. A second one, `PATIENCE` later, interrupts at once; the checkpoint is
    then the one before.
    """

    def __init__(self) -> None:
        self.asked = False
        self._since = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals; at the end they have their usual meaning again."""
        if threading.current_thread() is not threading.main_thread():  # Python allows no handlers there
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Take the signals back from a library that has put its own handlers in place."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        if self.asked and now - self._since > PATIENCE:
            raise InterruptedRunError(
                "interrupted at once, in the middle of a step; the checkpoint is the one before",
                fix="run the same command again to go on from it",
            )
        if not self.asked:
            self.asked, self._since = True, now
