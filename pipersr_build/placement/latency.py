"""How long a network is expected to take on the engine: a band, computed, never measured.

    t = call + sum over segments of (max(sum of max(compute, weights), edges) + fences) + switch x changes

A segment is a run of operations on one device. Its intermediate results stay in the engine's memory, tile
by tile, and cost nothing; the activations that cross its edges are streamed. Weights are read layer by
layer, while the layer computes. Convolutions compute at the chip's rate times the share that their
channels, their FLOP per byte and their number of pixels let them reach, products of computed tensors at
their own rate, other operations by the bytes they move. Element by element operations ride on the
operation before them. A mean over a map that is used again is a fence: the map is written and read again,
and nothing is computed meanwhile, by the one published figure (PiperSR's channel attention: 2.9 ms for each
block of a network whose blocks compute for 3.3 ms).

The rates and their evidence are in `chips.toml`; how well all this holds is in docs/explanation/latency.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipersr_build.evidence import Device
from pipersr_build.placement import chips
from pipersr_build.placement.chips import SIDES, Chip, Side

LARGE_MAP = 1024  # pixels
MOSTLY = 0.9  # of the computing time
ON_CHIP = 2 * 2**20  # bytes of a map that the engine keeps: 2 MiB on M1, M4 and M6 (ane-guide, M6 study)

CONVOLUTIONS = ("conv", "conv_transpose", "linear")
PRODUCTS = ("matmul", "scaled_dot_product_attention")
RIDING = {
    "abs", "add", "batch_norm", "cast", "ceil", "clamped_relu", "clip", "dequantize", "elu", "equal", "erf",
    "exp", "exp2", "expand_dims", "floor", "gelu", "greater", "greater_equal", "identity", "inverse",
    "leaky_relu", "less", "less_equal", "linear_activation", "log", "maximum", "minimum", "mul", "pow",
    "prelu", "quantize", "real_div", "relu", "relu6", "reshape", "round", "rsqrt", "scaled_tanh", "select",
    "sigmoid", "sigmoid_hard", "sign", "silu", "softplus", "softplus_parametric", "softsign", "sqrt",
    "square", "squeeze", "sub", "tanh", "thresholded_relu",
}  # fmt: skip

Regime = Literal["large maps", "small maps", "streamed"]
Bound = Literal["compute", "weights", "activations", "call", "other device"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the estimate needs to know of one operation.

    Attributes:
        kind: the operation's type.
        flop: floating-point operations.
        moved: bytes of activations, read and written.
        constant: bytes of weights.
        width: channels that a group of a convolution takes and makes, their geometric mean.
        pixels: of the result, of one picture.
        dense3: whether it is a dense 3x3 convolution of stride and dilation 1.
        refetched: bytes of a map that must be written and read again because of this operation.
        int8: whether activations and weights are 8-bit integers.
        elsewhere: ms on another device than the engine, by Core ML's own estimate; NaN where it has none.
    """

    kind: str
    flop: float = 0.0
    moved: float = 0.0
    constant: float = 0.0
    width: float = 0.0
    pixels: float = 0.0
    dense3: bool = False
    refetched: float = 0.0
    int8: bool = False
    elsewhere: float = math.nan


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of operations on one device, and the bytes of activations that cross its edges."""

    device: Device
    costs: tuple[Cost, ...]
    boundary: float


@dataclass(frozen=True, slots=True)
class Terms:
    """A prediction's parts in ms: what each would take alone, and what their overlap leaves (`work`)."""

    compute: float
    weights: float
    activations: float
    elsewhere: float
    work: float
    switches: float
    call: float

    @property
    def total(self) -> float:
        """The whole call."""
        return self.call + self.work + self.switches

    @property
    def bound(self) -> Bound:
        """What takes longest."""
        parts: dict[Bound, float] = {
            "compute": self.compute,
            "weights": self.weights,
            "activations": self.activations,
            "other device": self.elsewhere,
            "call": self.call,
        }
        return max(parts, key=parts.__getitem__)


@dataclass(frozen=True, slots=True)
class Band:
    """A predicted latency of one call in ms; all NaN where the chip's rates are not known."""

    chip: str
    low: float
    expected: float
    high: float
    bound: Bound | None = None
    regime: Regime | None = None

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return math.isfinite(self.expected)

    def holds(self, measured: float) -> bool:
        """Whether a measured latency (ms) lies in the band."""
        return self.low <= measured <= self.high


def band(segments: Sequence[Segment], chip: Chip, *, calls: int = 1) -> Band:
    """The latency of a function on one chip.

    `expected` uses the expected rates; the edges use the slowest and the fastest that sources give, times
    and divided by the formula's own error for this kind of network (`chips.toml`, `band`).

    Args:
        segments: the function's; see `package_cost.segments`.
        chip: with its rates.
        calls: 0 for a part of a network, which makes no call of its own.
    """
    if not chip.known:
        return Band(chip.name, math.nan, math.nan, math.nan)
    low, expected, high = spread(segments, chip, calls=calls)
    kind = regime(segments, chip)
    error = chips.load().band.of(kind)
    return Band(chip.name, low / error, expected, high * error, terms(segments, chip).bound, kind)


def spread(segments: Sequence[Segment], chip: Chip, *, calls: int = 1) -> tuple[float, float, float]:
    """The latency in ms by the fastest, the expected and the slowest rates that sources give."""
    parts = [terms(segments, chip, side) for side in SIDES]
    slow, middle, fast = (each.work + each.switches + calls * each.call for each in parts)
    return fast, middle, slow


def regime(segments: Sequence[Segment], chip: Chip) -> Regime:
    """What the time on the engine is spent on.

    `streamed` where activations that cross edges take longer than the computing; else by where the
    computing time goes, to layers with large maps or to many small ones.
    """
    parts = terms(segments, chip)
    if parts.activations > parts.compute:
        return "streamed"
    times = [(cost.pixels, seconds(cost, chip)) for part in segments for cost in part.costs]
    large = sum(time for pixels, time in times if pixels >= LARGE_MAP)
    return "large maps" if large >= MOSTLY * sum(time for _, time in times) else "small maps"


def terms(segments: Sequence[Segment], chip: Chip, side: Side = "expected") -> Terms:
    """The parts of the latency with the rates of one side of the band."""
    engine = [segment for segment in segments if segment.device == "ane"]
    others = [cost.elsewhere for part in segments if part.device != "ane" for cost in part.costs]
    parts = [_parts(segment, chip, side) for segment in engine]
    return Terms(
        compute=sum(part.compute for part in parts),
        weights=sum(part.weights for part in parts),
        activations=sum(part.edges + part.fences for part in parts),
        elsewhere=sum(others),
        work=sum(max(part.layers, part.edges) + part.fences for part in parts) + sum(others),
        switches=max(len(segments) - 1, 0) * chip.on("switch", side),
        call=chip.on("call", side),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """One segment on the engine, ms; `layers` with weights read while each layer computes."""

    compute: float
    weights: float
    edges: float
    fences: float
    layers: float


def _parts(segment: Segment, chip: Chip, side: Side) -> _Parts:
    computing = [1e3 * seconds(cost, chip, side) for cost in segment.costs]
    reading = [1e-6 * cost.constant / chip.on("weights", side) for cost in segment.costs]
    again, stream = sum(cost.refetched for cost in segment.costs), chip.on("activations", side)
    return _Parts(
        sum(computing),
        sum(reading),
        1e-6 * segment.boundary / stream,
        1e-6 * again / stream,
        sum(map(max, computing, reading)),
    )


def seconds(cost: Cost, chip: Chip, side: Side = "expected") -> float:
    """Computing time of one operation inside a segment, its data being on the chip."""
    if cost.kind in CONVOLUTIONS:
        rate = chip.on("conv", side) * share(cost)
        rate *= chip.on("winograd", side) if cost.dense3 else 1.0
        rate *= chip.on("int8", side) if cost.int8 else 1.0
        return cost.flop / (1e12 * rate)
    if cost.kind in PRODUCTS:
        return cost.flop / (1e12 * chip.on("matmul", side))
    return 0.0 if cost.kind in RIDING else cost.moved / (1e9 * chip.on("movement", side))


def share(cost: Cost) -> float:
    """How much of the chip's convolution rate a layer reaches, in 0-1.

    The smaller of what its channels and its FLOP per byte of activations allow (weights are charged on
    their own), times how much of the work units its pixels fill.
    """
    table = chips.load()
    intensity = cost.flop / max(cost.moved, 1.0)
    reached = min(table.channels.at(cost.width), table.intensity.at(intensity))
    return reached * table.pixels.share(cost.pixels)
