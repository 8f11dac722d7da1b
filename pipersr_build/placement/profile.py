"""What Core ML is expected to estimate for an operation on each back end: rates as data, per chip and OS.

A profile is a TOML file in `profiles/`: rows of operations, condition and rates, and the costs that the
segmenter adds. These are the numbers by which Core ML *chooses* a device. They are no latencies: they know
neither fusion nor the memory system.
"""

import math
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Argument, Constant
from pipersr_build.placement.conditions import Condition, Strict, mismatches
from pipersr_build.placement.quantities import Subject, conv_flop
from pipersr_build.placement.rules import ANY, Family
from pipersr_build.placement.work import count, flop, size

BackEnd = Literal["ane", "bnns", "classic"]  # the engine and Core ML's two CPU back ends
BACK_ENDS: tuple[BackEnd, ...] = ("ane", "bnns", "classic")

_GIGA = 1e9
_MS = 1e3


def _bytes(subject: Subject) -> float:
    """Bytes of the run-time operands, of the results, and of constants that are not names."""
    return size(subject.operands) + size(subject.results) + size(a.type for a in _constants(subject))


def _first_bytes(subject: Subject) -> float:
    """As `_bytes`, with the first result, and the first of several arguments of one input."""
    firsts = [bound[0] for bound in subject.operation.inputs.values() if bound]
    types = [subject.graph.type_of(a) for a in firsts if _counts(a)]
    return size(t for t in types if t is not None) + size(subject.results[:1])


def _constants(subject: Subject) -> Iterator[Constant]:
    for bound in subject.operation.inputs.values():
        yield from (a for a in bound if isinstance(a, Constant) and _counts(a))


def _counts(argument: Argument) -> bool:
    return not (isinstance(argument, Constant) and argument.type.dtype == "string")


def _activation_bytes(subject: Subject) -> float:
    return size(subject.operands) + size(subject.results)


def _transpose_output_flop(subject: Subject) -> float:
    """2 · kernel · input channels · elements of the result: each result counts the whole kernel."""
    weight = [n or 1 for n in subject.shape("weight")]
    return 2.0 * math.prod(weight[2:]) * weight[0] * sum(count(t) for t in subject.results[:1])


MEASURES: dict[str, Callable[[Subject], float]] = {
    "activation_bytes": _activation_bytes,
    "bytes": _bytes,
    "conv_flop": conv_flop,
    "first_bytes": _first_bytes,
    "product_flop": flop,
    "transpose_input_flop": flop,
    "transpose_output_flop": _transpose_output_flop,
}


def _known_measure(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are {', '.join(sorted(MEASURES))}")
    return name


Measure = Annotated[str, AfterValidator(_known_measure)]
Rate = Annotated[float, Field(gt=0)]


class Costs(Strict):
    """What the segmenter adds to the operations' own estimates, in ms."""

    engine_launch: float = Field(ge=0, description="per segment on the engine")
    switch: float = Field(ge=0, description="between two back ends")
    engine_output: float = Field(ge=0, description="per result of the function that the engine makes")


class Row(Strict):
    """Operations under a condition; the first row of a profile that fits an operation applies."""

    operations: tuple[str, ...] = Field(min_length=1)
    when: Condition = Condition()

    def fits(self, subject: Subject) -> bool:
        """Whether the row is about this operation."""
        named = subject.operation.type in self.operations or ANY in self.operations
        return named and not mismatches(self.when, subject)


class RateRow(Row):
    """GFLOP/s or GB/s on each back end; None where the back end is not known to take the operation."""

    measure: Measure
    ane: Rate
    bnns: Rate
    classic: Rate | None = None


class OtherPath(Row):
    """Operations that take their whole program out of the segmenter's hands."""

    reason: str


class Estimate(Strict):
    """Core ML's expected estimates for one operation in ms; `assumed` if taken from another chip."""

    ane: float
    bnns: float
    classic: float | None = None
    assumed: bool = False

    @property
    def cpu(self) -> float:
        """The cheaper of the CPU's back ends."""
        return self.bnns if self.classic is None else min(self.bnns, self.classic)


class Profile(Strict):
    """One chip's rates under one OS. `like` names the profile whose rows fill the gaps."""

    format: Literal[1]
    families: tuple[Family, ...] = Field(min_length=1)
    chips: str
    os: str
    source: str
    like: str | None = None
    costs: Costs
    rate: tuple[RateRow, ...]
    other_path: tuple[OtherPath, ...] = ()

    def estimate(self, subject: Subject) -> Estimate | None:
        """The expected estimates for an operation; None where no row fits it."""
        row = next((row for row in self.rate if row.fits(subject)), None)
        if row is None:
            other = None if self.like is None else named(self.like).estimate(subject)
            return None if other is None else other.model_copy(update={"assumed": True})
        scale = MEASURES[row.measure](subject) / _GIGA * _MS
        classic = None if row.classic is None else scale / row.classic
        return Estimate(ane=scale / row.ane, bnns=scale / row.bnns, classic=classic)

    def leaves_path(self, subject: Subject) -> OtherPath | None:
        """The row by which an operation takes its program out of the segmenter's hands, or None."""
        mine = next((row for row in self.other_path if row.fits(subject)), None)
        return mine if mine or self.like is None else named(self.like).leaves_path(subject)


def parse(text: str, name: str = "profile") -> Profile:
    """Read a profile from TOML.

    Raises:
        InputError: not TOML, an unknown key, or a rate that is not positive.
    """
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the chip profile is not TOML: {error}", where=name) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(file)"
        what = f"the chip profile does not follow the schema: {key}: {first['msg']}"
        raise InputError(what, where=name) from error


@cache
def shipped() -> dict[str, Profile]:
    """The profiles that come with this package, by file name without its ending."""
    folder = resources.files(__package__) / "profiles"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    texts = {f.name.removesuffix(".toml"): f.read_text(encoding="utf-8") for f in files}
    return {name: parse(text, name) for name, text in texts.items()}


def named(name: str) -> Profile:
    """The shipped profile of that name.

    Raises:
        InputError: there is none.
    """
    if name not in shipped():
        fix = f"there are {', '.join(shipped())}"
        raise InputError(f"no chip profile is called {name!r}", fix=fix)
    return shipped()[name]


def for_family(family: Family) -> Profile | None:
    """The profile of a chip family; None where nothing is known of what Core ML estimates for it."""
    return next((profile for profile in shipped().values() if family in profile.families), None)
