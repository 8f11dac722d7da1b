"""Between which numbers the values of a function lie, channel by channel, without running it.

Interval arithmetic, in exact numbers: rounding to fp16 adds up to a part in 2048 at each operation. An
operation that is not in the table has no range, nor has what is computed from it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipersr_build.inspection.weights import Constants
from pipersr_build.mil.graph import Function, Operation

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of each channel (of all alike where there is one entry)."""

    low: Numbers
    high: Numbers

    @property
    def with_zero(self) -> "Range":
        """The range that holds zero too: what padding puts around a picture."""
        return Range(np.minimum(self.low, 0), np.maximum(self.high, 0))

    def of_channels(self, count: int) -> "Range":
        """With an entry for each of `count` channels.

        Raises:
            ValueError: it has another number of channels.
        """
        return Range(*(np.broadcast_to(side, (count,)) for side in (self.low, self.high)))


def constant_range(low: float, high: float) -> Range:
    """A range that all channels share."""
    return Range(np.array([low], np.float64), np.array([high], np.float64))


@dataclass(frozen=True)
class Sums:
    """What a convolution's sums can be: of all its products, and of some of them in any order."""

    low: Numbers
    high: Numbers
    partial: float


def propagate(function: Function, inputs: dict[str, Range], constants: Constants) -> dict[str, Range]:
    """The range of every value of which one is known, by name.

    Args:
        function: its operations are taken in program order; nested blocks have no ranges.
        inputs: the range of each input that has one.
        constants: of the function.
    """
    known = dict(inputs)
    for op in function.operations:
        found = _range(op, known, constants)
        if found is not None:
            known[op.name] = found
    return known


def convolution_sums(op: Operation, known: dict[str, Range], constants: Constants) -> Sums | None:
    """The sums of a `conv` or `linear` whose input has a range; None for others.

    A partial sum of products, in whatever order they are added and the bias among them, is at most the sum
    of the largest values of those that can be positive, and at least that of those that can be negative.
    """
    x, weight = op.argument("x"), constants.of(op.argument("weight"))
    given = known.get(x) if isinstance(x, str) else None
    if op.type not in ("conv", "linear") or weight is None or given is None:
        return None
    bias = constants.of(op.argument("bias"))
    offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64).reshape(-1)
    groups = _scalar(op, "groups", constants, 1)
    return _sums(weight.astype(np.float64), offset, given if op.type == "linear" else given.with_zero, groups)


def _sums(weight: Numbers, bias: Numbers, given: Range, groups: float) -> Sums:
    """Of kernels O, I / groups, … in their groups, one after the other."""
    count = int(groups)
    flat = weight.reshape(*weight.shape[:2], -1)
    up, down = np.maximum(flat, 0).sum(-1), np.minimum(flat, 0).sum(-1)  # O, I / groups
    each = given.of_channels(weight.shape[1] * count)
    parts = [np.split(side, count) for side in (up, down, each.low, each.high)]
    found = [_products(*group) for group in zip(*parts, strict=True)]
    low, high, least, most = (np.concatenate(side) for side in zip(*found, strict=True))
    partial = np.maximum(most + np.maximum(bias, 0), -(least + np.minimum(bias, 0)))
    return Sums(low + bias, high + bias, float(partial.max()))


def _products(up: Numbers, down: Numbers, low: Numbers, high: Numbers) -> tuple[Numbers, ...]:
    """The least and greatest sum of all products, and of those that can be below and above zero."""
    below, above = np.minimum(low, 0), np.maximum(high, 0)
    return (
        up @ low + down @ high,
        up @ high + down @ low,
        up @ below + down @ above,
        up @ above + down @ below,
    )


def _range(op: Operation, known: dict[str, Range], constants: Constants) -> Range | None:
    sums = convolution_sums(op, known, constants)
    if sums is not None:
        return Range(sums.low, sums.high)
    if op.type not in _RULES:
        return None
    names = ("values",) if op.type == "concat" else ("x", "y")
    given = [_given(argument, known, constants) for name in names for argument in op.inputs.get(name, ())]
    if not given or any(one is None for one in given):
        return None
    try:
        return _RULES[op.type](op, [one for one in given if one is not None], constants)
    except ValueError:  # channels that do not go together: a tensor that is no picture
        return None


def _given(argument: object, known: dict[str, Range], constants: Constants) -> Range | None:
    if isinstance(argument, str) and argument in known:
        return known[argument]
    value = constants.of(argument)  # type: ignore[arg-type]
    if value is None or value.dtype.kind not in "fiu":
        return None
    wide = value.astype(np.float64)
    channels = wide.ndim >= 3 and wide.shape[-3] == wide.size  # a number for each channel
    return Range(*(2 * (wide.reshape(-1),))) if channels else constant_range(wide.min(), wide.max())


def _scalar(op: Operation, name: str, constants: Constants, default: float) -> float:
    value = constants.of(op.argument(name))
    return default if value is None else float(value.reshape(-1)[0])


Rule = Callable[[Operation, list[Range], Constants], Range]


def _rising(function: Callable[[Numbers], Numbers]) -> Rule:
    """The rule of a function that never falls."""
    return lambda _, given, __: Range(function(given[0].low), function(given[0].high))


def _valley(function: Callable[[Numbers], Numbers], at: float) -> Rule:
    """The rule of a function that falls up to `at` and rises from there on."""

    def rule(_: Operation, given: list[Range], __: Constants) -> Range:
        low, high = given[0].low, given[0].high
        ends = function(low), function(high)
        inside = (low < at) & (at < high)
        bottom = np.where(inside, function(np.array([at])), np.minimum(*ends))
        return Range(bottom, np.maximum(*ends))

    return rule


def _corners(function: Callable[[Numbers, Numbers], Numbers]) -> Rule:
    """The rule of a function of two values that is largest and least where both are at an end."""

    def rule(_: Operation, given: list[Range], __: Constants) -> Range:
        x, y = given if len(given) == 2 else (given[0], given[0])
        found = [function(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]
        return Range(np.minimum.reduce(found), np.maximum.reduce(found))

    return rule


def _clip(op: Operation, given: list[Range], constants: Constants) -> Range:
    ends = (_scalar(op, name, constants, end) for name, end in (("alpha", -np.inf), ("beta", np.inf)))
    low, high = ends
    return Range(np.clip(given[0].low, low, high), np.clip(given[0].high, low, high))


def _concat(op: Operation, given: list[Range], constants: Constants) -> Range:
    if _scalar(op, "axis", constants, 1) not in (1, -3):
        raise ValueError("other than channels are joined")
    counts = [side.low.size for side in given]
    total = op.outputs[0].type.extents[1]
    if sum(counts) != total:
        raise ValueError("how many channels each has is not known")
    return Range(*(np.concatenate([getattr(one, end) for one in given]) for end in ("low", "high")))


def _shuffle(op: Operation, given: list[Range], constants: Constants) -> Range:
    """Each channel of the result is made of as many that stand together."""
    block = int(_scalar(op, "upscale_factor", constants, 1)) ** 2
    if given[0].low.size == 1:
        return given[0]
    low, high = (side.reshape(-1, block) for side in (given[0].low, given[0].high))
    return Range(low.min(1), high.max(1))


def _leaky(op: Operation, given: list[Range], constants: Constants) -> Range:
    slopes = constants.of(op.argument("alpha"))
    slope = np.array([0.01]) if slopes is None else slopes.astype(np.float64).reshape(-1)
    ends = [np.where(side > 0, side, slope * side) for side in (given[0].low, given[0].high)]
    crosses = (given[0].low < 0) & (given[0].high > 0)
    return Range(np.where(crosses, np.minimum(0, np.minimum(*ends)), np.minimum(*ends)), np.maximum(*ends))


def _sigmoid(x: Numbers) -> Numbers:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float64)


def _silu(x: Numbers) -> Numbers:
    return x * _sigmoid(x)


def _same(_: Operation, given: list[Range], __: Constants) -> Range:
    return given[0]


_RULES: dict[str, Rule] = {
    "add": _corners(np.add),
    "sub": _corners(np.subtract),
    "mul": _corners(np.multiply),
    "maximum": _corners(np.maximum),
    "minimum": _corners(np.minimum),
    "cast": _same,
    "identity": _same,
    "upsample_nearest_neighbor": _same,
    "resize_nearest_neighbor": _same,
    "upsample_bilinear": _same,
    "max_pool": _same,
    "reduce_mean": _same,
    "relu": _rising(lambda x: np.maximum(x, 0)),
    "relu6": _rising(lambda x: np.clip(x, 0, 6)),
    "sigmoid": _rising(_sigmoid),
    "tanh": _rising(np.tanh),
    "silu": _valley(_silu, -1.2784645),
    "leaky_relu": _leaky,
    "prelu": _leaky,
    "clip": _clip,
    "concat": _concat,
    "pixel_shuffle": _shuffle,
}
