"""Which operations are computed in the engine's way, and how: MIL type -> function.

An operation that is not here is computed as in the semantics `fp16`, and only its rounding is the engine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pipersr_build.mil.ane import fixed_point, tables
from pipersr_build.mil.ops import TABLE
from pipersr_build.mil.ops.arguments import Function

TABLES: Mapping[str, Function] = {
    "erf": tables.erf,
    "exp": tables.exp,
    "gelu": tables.gelu,
    "scaled_tanh": tables.scaled_tanh,
    "sigmoid": tables.sigmoid,
    "silu": tables.silu,
    "tanh": tables.tanh,
}


def _limited(kind: str) -> Function:
    """Sums in floating point that are rounded, and end, as the engine's do."""

    def function(**arguments: Any) -> Tensor:
        result = TABLE[kind](**arguments)
        assert isinstance(result, Tensor), "matrix products and convolutions have one result"
        return fixed_point.limited(result)

    return function


SUMS: Mapping[str, Function] = {
    "conv": fixed_point.conv,
    "linear": fixed_point.linear,
    **{kind: _limited(kind) for kind in ("conv_transpose", "einsum", "matmul")},
}


@dataclass(frozen=True)
class Engine:
    """What is simulated; parts may be left out to see what each of them costs.

    Args:
        tables: the activation functions that are computed otherwise than by their formula.
        sums: the operations that add products, computed otherwise than in float32.
    """

    tables: Mapping[str, Function] = field(default_factory=lambda: TABLES)
    sums: Mapping[str, Function] = field(default_factory=lambda: SUMS)

    def function(self, kind: str, otherwise: Function) -> Function:
        """What computes the operation `kind`."""
        return self.tables.get(kind) or self.sums.get(kind) or otherwise
