"""How long `pipersr-build --help` takes, beside an empty Python."""

import statistics
import subprocess
import sys
import time

from pipersr_build.benchmark.record import Figure

RUNS = 9
LIMIT_SECONDS = 0.5


def measure() -> list[Figure]:
    """Median wall seconds of the command as a whole process, in turn with an empty one."""
    pairs = [(_seconds("-m", "pipersr_build", "--help"), _seconds("-c", "")) for _ in range(RUNS)]
    ours, empty = (statistics.median(column) for column in zip(*pairs, strict=True))
    detail = f"median of {RUNS}; {ours / empty:.1f} x an empty Python process"
    return [Figure(name="pipersr-build --help", value=ours, limit=LIMIT_SECONDS, unit="s", detail=detail)]


def _seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
