"""Where operations can run and will, and how long that takes: predicted, or Core ML's own answer."""

from typing import Literal

from pydantic import Field

from pipersr_build.evidence.base import Record
from pipersr_build.evidence.gates import Source

Device = Literal["ane", "gpu", "cpu"]
PlacementVerdict = Literal["ane", "soft", "tie", "hard", "dynamic", "unknown"]
RESIDENT: frozenset[PlacementVerdict] = frozenset({"ane", "tie"})


class Estimates(Record):
    """What one operation costs, by arithmetic, and what Core ML is expected to estimate for it.

    The times are the estimates that decide placement; they are no latencies.
    """

    flop: float = Field(description="a multiplication and an addition count as two")
    bytes: float = Field(description="read, written and constant, as the types in the package say")
    intensity: float | None = Field(description="FLOP per byte; None where no byte moves")
    ane_ms: float | None = Field(default=None, description="Core ML's estimate for the engine")
    cpu_ms: float | None = Field(default=None, description="Core ML's estimate for the CPU")
    share: float | None = Field(default=None, description="of the whole estimate, on the chosen devices")


class OperationPlacement(Record):
    """Where one operation can run and where it is expected to.

    Verdicts: `ane` it can and will; `soft` it can, and Core ML chooses another device; `tie` it can, and
    the other device costs exactly as much; `hard` it cannot; `dynamic` its program takes another path, in
    which nothing is estimated; `unknown` there is no evidence.
    """

    output_name: str
    operator: str
    supported: list[Device] = Field(description="where it can run; without `ane` also where that is unknown")
    preferred: Device | None = Field(description="where it will run; None where that is unknown")
    verdict: PlacementVerdict
    reasons: list[str]
    sources: list[str] = Field(default=[])
    advice: list[str] = Field(default=[], description="what to change")
    estimates: Estimates | None = None
    inserted: bool = Field(default=False, description="Core ML added it; the package does not have it")


class Totals(Record):
    """What the segmenter compares for a whole function, in ms; no latencies."""

    expected: float = Field(description="with every operation on its preferred device")
    engine: float = Field(description="with every operation that can run on the ANE there")
    cpu: float = Field(description="with every operation on the CPU")


class Latency(Record):
    """The predicted time of one call in ms, as a band; never a measurement."""

    chip: str
    low: float
    expected: float
    high: float
    whole: bool = Field(description="everything is on the engine; else the CPU's part is Core ML's estimate")
    bound: str = Field(default="", description="what takes longest, of the expected time")
    inferred: list[str] = Field(default=[], description="the chip's rates that nobody measured on it")


class Placement(Record):
    """The placement of the operations of one function, in program order."""

    source: Source
    basis: str
    function: str = "main"
    operations: list[OperationPlacement]
    totals: Totals | None = None
    latency: Latency | None = Field(default=None, description="of a prediction, where rates are known")
    warnings: list[str] = Field(default=[])
