"""`bench latency`: the latency estimate against every published figure, and the claim of bandwidth.

Nothing is timed here: the figures are others' measurements (`latency.toml`), the estimates ours.
"""

import math
import statistics
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipersr_build import files
from pipersr_build.benchmark import networks
from pipersr_build.benchmark.networks import FP16, INT8, NETWORKS, Tape
from pipersr_build.evidence import Provenance, Record
from pipersr_build.placement import chips, latency
from pipersr_build.placement.conditions import Strict
from pipersr_build.placement.latency import Regime, Segment

COVERED = 0.9  # of the counted rows
LEAST = 1.35  # see chips.toml, band
STEP = 0.05  # to which the error is rounded up
REGIMES: tuple[Regime, ...] = ("large maps", "small maps", "streamed")
PICTURE = (224, 224)  # pixels, height and width, where a row says nothing else

Counted = Literal["counted", "defines a rate", "excluded"]


class Published(Strict):
    """One published latency; `network` is a key of `NETWORKS`, or `conv`, `separable` or `attention`."""

    network: str
    chip: str
    ms: float = Field(gt=0)
    evidence: Literal["apple-documented", "measured", "claimed"]
    source: str
    size: tuple[int, int] = PICTURE
    batch: int = 1
    int8: bool = False
    layers: int = 1
    channels: int = 3
    kernel: int = 3
    printed: str = ""
    note: str = ""
    defines: str = ""
    excluded: str = ""

    @property
    def counted(self) -> Counted:
        """Whether the row says something about the formula."""
        return "defines a rate" if self.defines else "excluded" if self.excluded else "counted"

    @property
    def remark(self) -> str:
        """All that the file says of the row, for a reader."""
        parts = (
            self.printed and f"published as {self.printed}",
            self.note,
            self.defines and f"defines {self.defines}",
            self.excluded,
        )
        return "; ".join(filter(None, parts))

    @property
    def what(self) -> str:
        """The case in words."""
        frame = f"{self.size[1]}x{self.size[0]}"
        if self.network == "conv":
            many = f"{self.layers} convolutions" if self.layers > 1 else "convolution"
            case = f"{many} {self.kernel}x{self.kernel}, {self.channels} channels, {frame}"
        elif self.network in ("separable", "attention"):
            kind = "blueprint-separable 3x3" if self.network == "separable" else "channel attention"
            case = f"{kind}, {self.channels} channels, {frame}"
        else:
            case = f"{self.network}, {frame}"
        case += f", batch {self.batch}" if self.batch > 1 else ""
        return f"{case}, int8" if self.int8 else case


class Unchecked(Strict):
    """A published figure that is not computed here, and why."""

    what: str
    source: str
    why: str


class PublishedLatencies(Strict):
    """The whole file."""

    format: Literal[1]
    sources: dict[str, str]
    row: tuple[Published, ...]
    unchecked: tuple[Unchecked, ...]


class Row(Record):
    """One published latency beside the estimate; times in ms."""

    what: str
    network: str
    chip: str
    gflop: float
    published: float
    evidence: str
    source: str
    low: float
    expected: float
    high: float
    fastest: float = Field(description="by the fastest rates of the sources, without the formula's error")
    slowest: float = Field(description="by the slowest")
    bound: str
    regime: Regime
    counted: Counted
    note: str = ""

    @property
    def error(self) -> float:
        """The estimate's relative error: 0.1 is ten per cent too long."""
        return self.expected / self.published - 1

    @property
    def inside(self) -> bool:
        """Whether the published figure lies in the band."""
        return self.low <= self.published <= self.high

    @property
    def beyond(self) -> float:
        """Logarithm of the factor by which the figure lies beyond the sources' own spread; 0 within."""
        return max(math.log(self.published / self.slowest), math.log(self.fastest / self.published), 0.0)


class Tally(Record):
    """How one kind of network fits: its counted rows, and what counting the excluded ones too would give."""

    counted: int
    inside: int
    held_out: int = Field(description="counted rows inside with the factor that other networks' rows give")
    median_error: float = Field(description="of the counted rows, without its sign")
    factor: float
    all_rows: int = Field(description="counted and excluded ones")
    all_inside: int
    all_factor: float


class Point(Record):
    """One case of the roofline: its work, the bytes it would move, its time."""

    what: str
    gflop: float
    megabytes: float
    ms: float

    @property
    def intensity(self) -> float:
        """FLOP per byte."""
        return self.gflop * 1e3 / self.megabytes

    @property
    def tflops(self) -> float:
        """10^12 FLOP per second."""
        return self.gflop / self.ms


class Roofline(Record):
    """The claim of bandwidth, tested: roofs of a chip and cases under them.

    `streamed` is the frame's time in ms if every operation read and wrote its maps in memory,
    `convolutions` if only the convolutions did; `claimed` is the published time.
    """

    chip: str
    tflops: float
    share: float = Field(description="of the rate that 64 channels reach")
    bandwidth: float = Field(description="GB/s")
    points: list[Point]
    streamed: float
    convolutions: float
    claimed: float


class LatencyCheck(Record):
    """All rows, the errors that they imply, and the roofline.

    `merged` is the error that large maps and streamed cases would have as one kind.
    """

    provenance: Provenance
    rows: list[Row]
    unchecked: list[dict[str, str]]
    errors: dict[Regime, float]
    tallies: dict[Regime, Tally]
    merged: float
    roofline: Roofline


@cache
def published() -> PublishedLatencies:
    """The published figures shipped with this package."""
    text = resources.files(__package__).joinpath("latency.toml").read_text(encoding="utf-8")
    return PublishedLatencies.model_validate(tomllib.loads(text))


def check(provenance: Provenance) -> LatencyCheck:
    """Estimate every published case; the errors are computed anew from the rows."""
    found = published()
    rows = [row(one) for one in found.row]
    return LatencyCheck(
        provenance=provenance,
        rows=rows,
        unchecked=[
            {"what": u.what, "source": found.sources[u.source], "why": u.why} for u in found.unchecked
        ],
        errors={regime: error(rows, regime) for regime in REGIMES},
        tallies={regime: tally(rows, regime) for regime in REGIMES},
        merged=factor([*select(rows, "large maps"), *select(rows, "streamed")]),
        roofline=roofline(),
    )


def row(one: Published) -> Row:
    """The estimate for one published case."""
    chip = chips.load().table[one.chip]
    parts, calls = [segment(one)], 0 if one.network == "attention" else 1
    band = latency.band(parts, chip, calls=calls)
    fastest, _, slowest = latency.spread(parts, chip, calls=calls)
    assert band.bound is not None
    assert band.regime is not None
    return Row(
        what=one.what,
        network=one.network,
        chip=one.chip,
        gflop=sum(cost.flop for cost in parts[0].costs) / 1e9,
        published=one.ms,
        evidence=one.evidence,
        source=published().sources[one.source],
        low=band.low,
        expected=band.expected,
        high=band.high,
        fastest=fastest,
        slowest=slowest,
        bound=band.bound,
        regime=band.regime,
        counted=one.counted,
        note=one.remark,
    )


def segment(one: Published) -> Segment:
    """The case as one segment on the engine; a block's attention has no edges of its own."""
    channels = one.channels if one.network in ("conv", "separable", "attention") else 3
    tape = Tape(*one.size, channels=channels, batch=one.batch, element=INT8 if one.int8 else FP16)
    if one.network == "conv":
        for _ in range(one.layers):
            tape.conv(one.channels, one.kernel)
    elif one.network == "separable":
        networks.separable(tape)
    elif one.network == "attention":
        tape.attend(one.channels // 16)
        return Segment("ane", tuple(tape.costs), 0.0)
    else:
        NETWORKS[one.network](tape)
    return tape.segment()


def select(rows: Sequence[Row], regime: Regime, *, excluded: bool = False) -> list[Row]:
    """The rows of a kind of network that count, or these and the excluded ones."""
    wanted = ("counted", "excluded") if excluded else ("counted",)
    return [row for row in rows if row.counted in wanted and row.regime == regime]


def error(rows: Sequence[Row], regime: Regime) -> float:
    """The formula's error as a factor, by the counted rows of a kind of network."""
    return factor(select(rows, regime))


def factor(rows: Sequence[Row]) -> float:
    """The error that rows imply, by split conformal prediction.

    The k-th smallest of n deviations with k = ceil((n + 1) 0.9), at most the largest, rounded up to 0.05
    and at least 1.35.
    """
    beyond = sorted(row.beyond for row in rows)
    k = min(math.ceil((len(beyond) + 1) * COVERED), len(beyond))
    needed = math.exp(beyond[k - 1]) if beyond else 1.0
    return max(LEAST, round(math.ceil(needed / STEP - 1e-9) * STEP, 2))


def held_out(rows: Sequence[Row], regime: Regime) -> tuple[int, int]:
    """How many counted rows lie in the band that the other networks' rows give, and how many there are."""
    counted = select(rows, regime)
    inside = 0
    for row in counted:
        others = [other for other in counted if other.network != row.network]
        inside += row.beyond <= math.log(factor(others))
    return inside, len(counted)


def tally(rows: Sequence[Row], regime: Regime) -> Tally:
    """How one kind of network fits, with and without the excluded rows."""
    counted, every = select(rows, regime), select(rows, regime, excluded=True)
    return Tally(
        counted=len(counted),
        inside=sum(row.inside for row in counted),
        held_out=held_out(rows, regime)[0],
        median_error=statistics.median(abs(row.error) for row in counted),
        factor=factor(counted),
        all_rows=len(every),
        all_inside=sum(row.inside for row in every),
        all_factor=factor(every),
    )


def roofline() -> Roofline:
    """PiperSR's single layers and the whole network at 640x360 under an M2's roofs."""
    chip, table = chips.load().table["M2"], chips.load()
    rows = {(one.network, one.size): one for one in published().row if one.chip == "M2"}
    whole = rows["PiperSR", (360, 640)]
    cases = (("one 3x3 convolution", "conv"), ("its blueprint-separable form", "separable"),
             ("channel attention", "attention"))  # fmt: skip
    points = [_point(what, rows[name, (360, 640)]) for what, name in cases]
    frame = segment(whole)
    gflop = sum(cost.flop for cost in frame.costs) / 1e9
    every, only = _streamed(frame)
    points += [
        Point(what="whole network, all maps through memory", gflop=gflop, megabytes=every, ms=whole.ms),
        Point(what="whole network, edges alone", gflop=gflop, megabytes=frame.boundary / 1e6, ms=whole.ms),
    ]
    bandwidth = chip.on("activations", "expected")
    return Roofline(
        chip=chip.name,
        tflops=chip.on("conv", "expected"),
        share=table.channels.at(64),
        bandwidth=bandwidth,
        points=points,
        streamed=every / bandwidth,
        convolutions=only / bandwidth,
        claimed=whole.ms,
    )


def _point(what: str, one: Published) -> Point:
    part = segment(one)
    moved = part.boundary + sum(cost.refetched for cost in part.costs)
    return Point(what=what, gflop=sum(c.flop for c in part.costs) / 1e9, megabytes=moved / 1e6, ms=one.ms)


def _streamed(frame: Segment) -> tuple[float, float]:
    """Megabytes of all operations' maps, and of the convolutions' alone; a layer table has no others.

    The activations and additions of PiperSR's six blocks and its long skip are added: 6 x 2 and 7 x 3 maps.
    """
    convolutions = sum(cost.moved for cost in frame.costs)
    feature_map = max(cost.moved for cost in frame.costs) / 2
    return (convolutions + (6 * 2 + 7 * 3) * feature_map) / 1e6, convolutions / 1e6


def save(record: LatencyCheck, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load_record(path: Path) -> LatencyCheck:
    """Read a record."""
    return LatencyCheck.model_validate_json(path.read_bytes())
