"""How long a package takes until it can be used: first load in a fresh process against a second.

`measure` starts the process, which runs this module.
"""

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np

from pipersr_build.benchmark.packages_record import Load
from pipersr_build.errors import BuildError
from pipersr_build.runtime.backends import Choice
from pipersr_build.runtime.upscaler import Upscaler

TIMEOUT = 1800.0  # s: Core ML may compile for the Neural Engine for minutes


def measure(package: Path, choice: Choice, compute_units: str) -> Load:
    """Load a package twice in a process of its own.

    Args:
        package: of either contract.
        choice: the back end.
        compute_units: that Core ML may use.

    Raises:
        BuildError: the process failed or did not end.
    """
    words = [str(package), choice, compute_units]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipersr_build.benchmark.loading", *words],
            capture_output=True, text=True, check=True, timeout=TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"the package did not load in {TIMEOUT:g} s", where=package) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise BuildError(f"loading failed in a fresh process: {lines[-1]}", where=package) from error
    elapsed = time.perf_counter() - started
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return Load(process=round(elapsed - found["cold"] - found["warm"], 6), **found)


def load_twice(package: Path, choice: Choice, compute_units: str) -> dict[str, float]:
    """The seconds of `Load` that this process can measure, after it has imported what it needs."""
    from pipersr_build import quiet
    from pipersr_build.runtime import convert, pipeline  # noqa: F401  what a session needs

    quiet.coremltools()
    cold, cold_first = _load(package, choice, compute_units)
    gc.collect()  # the first one is gone
    warm, warm_first = _load(package, choice, compute_units)
    found = {"cold": cold, "cold_first": cold_first, "warm": warm, "warm_first": warm_first}
    return {name: round(seconds, 6) for name, seconds in found.items()}


def _load(package: Path, choice: Choice, compute_units: str) -> tuple[float, float]:
    """Seconds until the first picture is made, and of these the picture's own."""
    started = time.perf_counter()
    upscaler = Upscaler.from_package(package, backend=choice, compute_units=compute_units)
    loaded = time.perf_counter()
    picture = np.zeros((*upscaler.tile, 3), np.uint8)
    if upscaler.frame_size is None:
        upscaler(picture)
    else:
        with upscaler.video() as session:
            session.upscale(picture)
    ended = time.perf_counter()
    return ended - started, ended - loaded


def main(words: list[str]) -> int:
    """Load the package that the words name twice and print the seconds; 1 and a message if it cannot be."""
    path, choice, units = words
    try:
        print(json.dumps(load_twice(Path(path), cast(Choice, choice), units)))
    except BuildError as error:
        print(error.what, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
