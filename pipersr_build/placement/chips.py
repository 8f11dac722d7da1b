"""The engines of Apple's chips: what they sustain, from `chips.toml`, with the evidence of every figure."""

import math
import re
import tomllib
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipersr_build.errors import InputError
from pipersr_build.placement.conditions import Strict

Quantity = Literal[
    "conv", "winograd", "matmul", "activations", "weights", "movement", "call", "switch", "int8"
]
RateEvidence = Literal["measured", "apple-documented", "decompiled", "inferred"]
Side = Literal["slowest", "expected", "fastest"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

SIDES: tuple[Side, ...] = ("slowest", "expected", "fastest")
TIMES = ("call", "switch")  # in ms: the slowest is the largest; all others are rates


class Rate(Strict):
    """One quantity for some chips: TFLOP/s, GB/s, ms or a gain, as `chips.toml` says.

    `slowest` and `fastest` are given where sources or runs disagree.
    """

    quantity: Quantity
    chips: tuple[str, ...] = Field(min_length=1)
    expected: Positive
    slowest: Positive | None = None
    fastest: Positive | None = None
    evidence: RateEvidence
    source: str
    note: str = ""

    def on(self, side: Side) -> float:
        """The value on one side of the band."""
        value: float | None = getattr(self, side)
        return self.expected if value is None else value

    @model_validator(mode="after")
    def _honest(self) -> Self:
        if self.evidence == "inferred" and not self.note:
            raise ValueError(
                f"{self.quantity} of {', '.join(self.chips)} does not say from what it is inferred"
            )
        sign = -1 if self.quantity in TIMES else 1
        ordered = [sign * self.on(side) for side in SIDES]
        if ordered != sorted(ordered):
            raise ValueError(
                f"{self.quantity} of {', '.join(self.chips)}: slowest, expected, fastest are mixed up"
            )
        return self


class Shares(Strict):
    """How much of the convolution rate a layer reaches, by `widths` (interpolated) or `limits` (steps)."""

    widths: tuple[float, ...] = ()
    limits: tuple[float, ...] = ()
    shares: tuple[float, ...]
    evidence: RateEvidence
    source: str
    note: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.widths) == bool(self.limits):
            raise ValueError("give either widths or limits")
        points = self.widths or (0.0, *self.limits)
        if len(points) != len(self.shares) or list(points) != sorted(points):
            raise ValueError("points and shares do not fit together")
        return self

    def at(self, value: float) -> float:
        """The share at a width (straight lines between points in logarithms) or within limits (steps)."""
        if self.limits:
            return self.shares[sum(value >= limit for limit in self.limits)]
        widths, shares = self.widths, self.shares
        if value <= widths[0] or value >= widths[-1]:
            return shares[0] if value <= widths[0] else shares[-1]
        i = next(i for i, width in enumerate(widths) if value < width)
        part = math.log(value / widths[i - 1]) / math.log(widths[i] / widths[i - 1])
        return shares[i - 1] * math.exp(part * math.log(shares[i] / shares[i - 1]))


class Unit(Strict):
    """How many output pixels an engine's core works on at once."""

    unit: int = Field(ge=1)
    evidence: RateEvidence
    source: str
    note: str

    def share(self, pixels: float) -> float:
        """How much of its units a map of so many pixels fills."""
        return pixels / (self.unit * math.ceil(pixels / self.unit)) if pixels else 1.0


class Errors(Strict):
    """The formula's own error as a factor, by kind of network, and the rule that gave it."""

    large: float = Field(ge=1)
    small: float = Field(ge=1)
    streamed: float = Field(ge=1)
    rule: str

    @property
    def by_kind(self) -> dict[str, float]:
        """The factors by the names that `latency.Regime` has."""
        return {"large maps": self.large, "small maps": self.small, "streamed": self.streamed}

    def of(self, kind: str) -> float:
        """The factor of one kind of network."""
        return self.by_kind[kind]


class Chip(Strict):
    """One chip: its engine's family and rates by quantity; without `conv` no latency can be given."""

    name: str
    family: str
    rates: dict[Quantity, Rate]

    @property
    def known(self) -> bool:
        """Whether its convolution rate is known, without which there is no estimate."""
        return "conv" in self.rates

    def on(self, quantity: Quantity, side: Side) -> float:
        """One figure on one side of the band; 1 for a gain that the chip does not have."""
        rate = self.rates.get(quantity)
        return 1.0 if rate is None else rate.on(side)

    @property
    def inferred(self) -> list[Rate]:
        """The rates that nobody measured on this chip."""
        return [rate for rate in self.rates.values() if rate.evidence == "inferred"]


class Chips(Strict):
    """The whole file."""

    format: Literal[1]
    chips: dict[str, str]
    sources: dict[str, str]
    rate: tuple[Rate, ...]
    channels: Shares
    intensity: Shares
    pixels: Unit
    band: Errors

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for row in self.rate:
            if row.source not in self.sources:
                raise ValueError(f"no source is called {row.source}")
            for chip in row.chips:
                if chip not in self.chips or (row.quantity, chip) in seen:
                    raise ValueError(f"{row.quantity} of {chip}: an unknown chip or a second row")
                seen.add((row.quantity, chip))
        return self

    @cached_property
    def table(self) -> dict[str, Chip]:
        """The chips by name, in the file's order."""
        return {
            name: Chip(
                name=name,
                family=family,
                rates={row.quantity: row for row in self.rate if name in row.chips},
            )
            for name, family in self.chips.items()
        }

    def named(self, text: str) -> list[Chip]:
        """The chips that a name stands for: a chip (`m2`, `M4 Max`), or a family's chips (`h16`).

        Raises:
            InputError: no such chip.
        """
        wanted = re.sub(r"[\s_-]+", " ", text.strip().lower())
        exact = [chip for chip in self.table.values() if wanted in (chip.name.lower(), chip.family.lower())]
        plain = re.sub(r"^(m\d+) (pro|max|ultra)$", r"\1", wanted)
        found = exact or [chip for chip in self.table.values() if chip.name.lower() == plain]
        if not found:
            known = ", ".join([*self.chips, *dict.fromkeys(map(str.lower, self.chips.values()))])
            raise InputError(f"no chip is called {text!r}", where="configuration key placement.chip",
                             fix=f"choose from {known}")  # fmt: skip
        return found

    def one(self, text: str) -> Chip:
        """The one chip that a name stands for; of a family's chips the Mac's.

        Raises:
            InputError: no such chip.
        """
        found = self.named(text)
        return next((chip for chip in found if chip.name.startswith("M")), found[0])


def parse(text: str) -> Chips:
    """Read chips from TOML; raises pydantic's ValidationError where the file does not follow the schema."""
    return Chips.model_validate(tomllib.loads(text))


@cache
def load() -> Chips:
    """The chips shipped with this package."""
    return parse(resources.files(__package__).joinpath("chips.toml").read_text(encoding="utf-8"))
