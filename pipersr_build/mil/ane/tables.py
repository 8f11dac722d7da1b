"""Activation functions as the engine computes them: straight lines between 33 points, held in fp16.

The compiler chooses the range of each table and uses symmetry; where a table ends the function goes on
as its limit. Read from compiled programs by the source in the package's docstring:

    sigmoid  -8 … 8 in steps of 0.5, sampled          tanh  0 … 4 in steps of 1/8, sampled, odd
    silu     -8 … 8 in steps of 0.5, fitted           erf   0 … 2 in steps of 1/16, sampled, odd
    gelu     -4 … 4 in steps of 0.25, fitted; one table for every mode
    exp      2^f for f in 0 … 1 in steps of 1/32, sampled; the whole part of the exponent is exact

Of the fitted tables one value each is published: 0.296 for silu(0.5), 0.1436 for gelu(0.25). Least squares,
point by point outwards from the exact one at 0, gives both, the largest errors that were measured (6.159e-3
for gelu; 1.497e-2 where 1.491e-2 was measured for silu) and the places where the error was seen to vanish; so
the other values are made here. That is an inference, and so is what lies beyond the ends: it leaves the
largest measured errors as they are. Whether the interpolation itself is rounded is not known; it is not here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from pipersr_build.mil.ane.rounding import numbers, to_fp16

POINTS = 33
Scalar = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Table:
    """33 values at equal distances.

    Args:
        values: float32 that are fp16, shape 33.
        low, high: where the first and the last lie.
        below, above: the slope beyond each end.
    """

    values: Tensor
    low: float
    high: float
    below: float = 0.0
    above: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """The function at `x`, shape kept; not rounded. NaN is read as a large number."""
        x = numbers(x)
        inside = x.clamp(self.low, self.high)
        at = (inside - self.low) * ((POINTS - 1) / (self.high - self.low))
        left = at.floor().clamp_(max=POINTS - 2)
        index = left.int()
        first = self.values[index]
        result = torch.lerp(first, self.values[index + 1], at - left)
        over = x - inside
        return result + torch.where(over < 0, self.below * over, self.above * over)


def sampled(function: Scalar, low: float, high: float, below: float = 0.0, above: float = 0.0) -> Table:
    """A table of the function's own values."""
    values = [function(float(x)) for x in np.linspace(low, high, POINTS)]
    return Table(to_fp16(torch.tensor(values)), low, high, below, above)


def fitted(function: Scalar, high: float, above: float) -> Table:
    """A table of -high … high whose lines fit the function better than its own values would.

    Each value is the least-squares one for the piece of curve between it and the one before it, outwards
    from the exact value at 0.
    """
    right = _outwards(function, high)
    left = _outwards(lambda x: function(-x), high)
    values = torch.tensor([*reversed(left[1:]), *right])
    return Table(to_fp16(values), -high, high, 0.0, above)


def _outwards(function: Scalar, high: float) -> list[float]:
    steps = (POINTS - 1) // 2
    share = np.linspace(0, 1, 257)
    values = [function(0.0)]
    for step in range(steps):
        curve = np.array([function(x) for x in (step + share) * (high / steps)])
        rest = curve - values[-1] * (1 - share)
        values.append(float((share * rest).sum() / (share * share).sum()))
    return values


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@cache
def table(name: str) -> Table:
    """The engine's table of `sigmoid`, `silu`, `gelu`, `tanh`, `erf` (from 0 on) or `exp2` (0 to 1).

    Made when it is first needed. `silu_sampled` is not the engine's: the same range with exact points.
    """
    return _MAKERS[name]()


_MAKERS: dict[str, Callable[[], Table]] = {
    "sigmoid": lambda: sampled(_sigmoid, -8, 8),
    "silu": lambda: fitted(lambda x: x * _sigmoid(x), 8, above=1.0),
    "silu_sampled": lambda: sampled(lambda x: x * _sigmoid(x), -8, 8, above=1.0),
    "gelu": lambda: fitted(lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))), 4, above=1.0),
    "tanh": lambda: sampled(math.tanh, 0, 4),
    "erf": lambda: sampled(math.erf, 0, 2),
    "exp2": lambda: sampled(lambda x: 2.0**x, 0, 1),
}


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e⁻ˣ)."""
    return table("sigmoid")(x)


def silu(x: Tensor) -> Tensor:
    """SiLU, x / (1 + e⁻ˣ); a table of its own, not x times that of sigmoid."""
    return table("silu")(x)


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:  # noqa: ARG001
    """x·Φ(x), by the same table in every mode."""
    return table("gelu")(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent; ±1 beyond ±4."""
    return _odd("tanh", x, torch.ones_like(x))


def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha·tanh(beta·x)."""
    return alpha * tanh(beta * x)


def erf(x: Tensor) -> Tensor:
    """The error function; itself beyond ±2."""
    return _odd("erf", x, torch.erf(x.abs()))


def exp(x: Tensor) -> Tensor:
    """The exponential, as a power of 2."""
    power = x * math.log2(math.e)
    whole = power.floor()
    return torch.where(power.isfinite(), table("exp2")(power - whole) * torch.exp2(whole), torch.exp(x))


def _odd(name: str, x: Tensor, beyond: Tensor) -> Tensor:
    half = table(name)
    size = x.abs()
    return torch.copysign(torch.where(size > half.high, beyond, half(size)), x)
