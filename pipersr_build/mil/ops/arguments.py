"""How operations take their arguments.

A function of this package has the parameters of its MIL operation, under their MIL names and with
MIL's defaults. The annotation of a parameter says in which form the interpreter hands it over,
whether the program gives a constant or a computed value.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")
Ints = list[int]
Bools = list[bool]
Tensors = tuple[Tensor, ...]  # an input that binds several values, as `concat`'s `values`
Function = Callable[..., Tensor | Tensors]


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        ValueError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of a value of rank {rank}")
    return axis % rank


def one_of(what: str, value: str, table: Mapping[str, T]) -> T:
    """The entry of `table` for `value`, or a ValueError that lists what there is."""
    if value not in table:
        raise ValueError(f"{what} {value!r} is not one of {', '.join(map(repr, table))}")
    return table[value]


def along_channels(vector: Tensor, x: Tensor) -> Tensor:
    """A vector of C elements, shaped to broadcast along the second axis of `x` (B, C, ...)."""
    return vector.reshape(-1, *([1] * (x.dim() - 2)))
