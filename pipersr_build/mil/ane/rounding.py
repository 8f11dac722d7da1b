"""Rounding to fp16 with halves away from zero: 2049 becomes 2050, -4098 becomes -4100.

Both the engine's sums and its elementwise operations round so, and give infinity for what is not a
number; see the source in the package's docstring.
"""

import torch
from torch import Tensor

_HALF, _DROPPED = 0x1000, 0x1FFF  # of the 13 bits that fp16 has less than float32
_LEAST, _STEP = 2.0**-14, 2.0**24  # the smallest normal fp16; steps per unit below it


def to_fp16(value: Tensor) -> Tensor:
    """A float32 tensor rounded to fp16, held in a new float32 tensor; overflow and NaN give infinity."""
    bits = value.view(torch.int32)
    away = (bits + ((bits & _DROPPED) == _HALF)).view(torch.float32).half().float()
    away = torch.where(value.abs() < _LEAST, half_away(value * _STEP) / _STEP, away)
    return torch.where(value.isnan(), torch.inf, away)


def half_away(value: Tensor) -> Tensor:
    """Rounded to whole numbers, halves away from zero."""
    size = value.abs()
    whole = size.floor()
    return torch.copysign(whole + (size - whole >= 0.5), value)


def numbers(value: Tensor) -> Tensor:
    """What is no finite number, as the number that its fp16 bits would be if they were an ordinary one's."""
    return torch.nan_to_num(value, nan=98304.0, posinf=65536.0, neginf=-65536.0)
