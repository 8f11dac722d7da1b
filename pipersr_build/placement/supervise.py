"""Run a process within limits on time and memory, and leave none of its processes behind.

macOS does not enforce `RLIMIT_AS`, so memory is watched from outside, with `ps`: POSIX, present on macOS
and Linux, and on macOS allowed to see the processes of other users, which Python libraries are not. That
matters because Core ML hands the ANE compilation to a service of the system.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.5
COMPILERS = ("ANECompilerService",)  # system services that work on behalf of whoever compiles
GIB = 2**30


class LimitError(Exception):
    """The process was ended because it passed a limit; the message says which."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall time, and GiB of resident memory of the process, its children and the compilers."""

    seconds: float
    memory_gib: float


@dataclass(frozen=True, slots=True)
class _Process:
    group: int
    rss: int  # bytes
    name: str


def run(
    command: Sequence[str], log: Path, limits: Limits, environment: Mapping[str, str] | None = None
) -> int:
    """Run a command with stdout and stderr in `log`; its exit code, negative for a signal.

    It runs in a process group of its own, which is killed at a limit and on an interrupt.

    Raises:
        LimitError: it passed a limit.
    """
    before = compiler_bytes(_processes())
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env=environment
        )
        try:
            return _watch(child, limits, before)
        finally:
            _end(child)


def _watch(child: subprocess.Popen[bytes], limits: Limits, before: int) -> int:
    start = time.monotonic()
    while True:
        left = limits.seconds - (time.monotonic() - start)
        if left <= 0:
            raise LimitError(f"took more than {limits.seconds:g} s")
        try:
            return child.wait(min(left, POLL_S))
        except subprocess.TimeoutExpired:
            used = _memory(child.pid, before) / GIB
        if used > limits.memory_gib:
            raise LimitError(f"needed {used:.1f} GiB of memory, and may take {limits.memory_gib:g} GiB")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole group, unless the child has ended by itself."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _memory(group: int, before: int) -> int:
    """Bytes that the group holds, and what the compilers hold more than `before`."""
    processes = _processes()
    own = sum(process.rss for process in processes if process.group == group)
    return own + max(0, compiler_bytes(processes) - before)


def compiler_bytes(processes: Sequence[_Process]) -> int:
    """Resident bytes of the system's compiler services."""
    return sum(process.rss for process in processes if Path(process.name).name in COMPILERS)


def _processes() -> list[_Process]:
    """Every process; none where there is no `ps`, so that memory is then not limited."""
    command = ["ps", "-A", "-o", "pgid=", "-o", "rss=", "-o", "comm="]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, errors="replace")
    except (OSError, subprocess.CalledProcessError):
        return []
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [_Process(int(row[0]), 1024 * int(row[1]), row[2].strip()) for row in rows if len(row) == 3]
