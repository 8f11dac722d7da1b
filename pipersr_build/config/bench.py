"""The settings of `bench packages`, with their checks."""

import math
from dataclasses import dataclass, field
from typing import Any

from pipersr_build.config.refused import refused
from pipersr_build.errors import InputError
from pipersr_build.export.sizes import parse_size, parse_sizes
from pipersr_build.runtime.backends import COMPUTE_UNITS


@dataclass
class BenchConfig:
    """What `bench packages` enlarges, how often, and what it compares with."""

    iterations: int | None = None  # timed pictures or frames; none: 100 by Core ML, 5 by the interpreter
    warm_up: int | None = None  # before them, not timed; none: 10 by Core ML, 1 by the interpreter
    picture: str = "1024x1024"  # the picture that is enlarged by tiles: WxH
    video: Any = "360p,480p,540p"  # the frames: names or WxH, as a list or separated by commas
    compute_units: Any = field(default_factory=lambda: list(COMPUTE_UNITS))  # of Core ML, each in turn
    pin: str | None = None  # an earlier record that the times are held against
    tolerance: float = 0.15  # how much slower than the pinned record is still the same


def check_bench(bench: BenchConfig) -> None:
    """Check each setting.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    if bench.iterations is not None and bench.iterations < 1:
        raise refused("bench.iterations", bench.iterations, "it must be at least 1")
    if bench.warm_up is not None and bench.warm_up < 0:
        raise refused("bench.warm_up", bench.warm_up, "it must be at least 0")
    for key, parse in (("picture", parse_size), ("video", parse_sizes)):
        value = getattr(bench, key)
        try:
            parse(value)
        except InputError as error:
            raise refused(f"bench.{key}", value, error.fix or error.what) from error
    units = bench.compute_units
    if not isinstance(units, list) or not units or not set(map(str, units)) <= set(COMPUTE_UNITS):
        raise refused("bench.compute_units", units, f"give a list of some of {', '.join(COMPUTE_UNITS)}")
    if not 0 <= bench.tolerance < math.inf:
        raise refused(
            "bench.tolerance", bench.tolerance, "give a share from 0 on: 0.15 allows 15 % more time"
        )
