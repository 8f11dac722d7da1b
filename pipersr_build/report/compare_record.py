"""The records of `compare`: networks side by side, and what changed between two exports."""

from typing import Any, Literal

from pydantic import Field

from pipersr_build.evidence import Census, PlacementVerdict, Provenance, Record

Kind = Literal["network", "weights", "package"]
SETS = ("Set5", "Set14", "BSD100")  # what tables and plots show


class Latency(Record):
    """A predicted band of one call in ms; None where the chip's rates are not known."""

    chip: str
    low: float | None
    expected: float | None
    high: float | None
    resident: bool | None = Field(description="all on the engine; None where that is not known")


class Score(Record):
    """A mean that somebody measured (dB under a protocol), and in which record it stands."""

    dataset: str
    protocol: str
    psnr: float
    ssim: float | None = None
    subject: str = Field(description="what was measured: a package or weights")
    origin: str = Field(description="the record that says so")
    training: str = Field(default="", description="how long the weights were trained, where that is known")


class PublishedScore(Record):
    """A figure that others published (dB), how they scored it, and where it stands."""

    dataset: str
    protocol: str
    psnr: float
    parameters: int | None = Field(default=None, description="of the network that was scored, as published")
    source: str


class Row(Record):
    """One network. Its package is counted and predicted, of one locked frame."""

    name: str
    kind: Kind
    title: str = ""
    family: str = ""
    source: str = Field(default="", description="what specifies the network")
    licence: str = ""
    values: str = Field(default="", description="colours and range of what goes in and comes out")
    scale: int | float | None = None
    width: int | None = Field(default=None, description="of the LR frame that the package is locked to")
    height: int | None = None
    parameters_trained: int | None = None
    parameters: int | None = Field(default=None, description="deployed")
    operations_trained: int | None = Field(
        default=None, description="MIL operations, branches collapsed, batch norms not yet folded"
    )
    census: Census = Field(default={}, description="the package's MIL operations")
    gflop: float | None = None
    bytes: int | None = Field(default=None, description="of the package on disk")
    verdicts: dict[PlacementVerdict, int] = Field(default={})
    resident: bool | None = Field(default=None, description="predicted: all on the engine")
    disputed: list[str] = Field(
        default=[], description="what others report of such operations and the prediction does not reproduce"
    )
    latencies: list[Latency] = Field(default=[], description="the first one's chip is shown")
    measured: list[Score] = Field(default=[], description="read from records")
    published: list[PublishedScore] = Field(default=[], description="by others")
    error: str = Field(default="", description="why there is no package")

    @property
    def operations(self) -> int | None:
        """MIL operations of the package."""
        return sum(self.census.values()) or None

    @property
    def latency(self) -> Latency | None:
        """The band on the first chip."""
        return self.latencies[0] if self.latencies else None

    def score(self, dataset: str, protocol: str) -> Score | None:
        """What was measured on a test set under a protocol."""
        found = (s for s in self.measured if (s.dataset, s.protocol) == (dataset, protocol))
        return next(found, None)

    def known(self, dataset: str, protocol: str) -> PublishedScore | None:
        """What was published about a test set: under the protocol, else the most comparable figure."""
        found = [s for s in self.published if s.dataset == dataset]
        alike = [s for s in found if s.protocol == protocol]
        return next(iter([*alike, *found]), None)


class Comparison(Record):
    """One run of `compare`."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    frame: str = Field(description="the LR frame that networks were made packages for, WxH")
    target: str
    chip: str = Field(description="of the latencies that are shown; the rows hold its whole family's")
    protocol: str
    rows: list[Row]


class Change(Record):
    """One thing that is not the same in two exports; None where one does not have it."""

    part: str
    key: str
    before: Any
    after: Any


class Changes(Record):
    """What `compare` found between two exports."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    before: str
    after: str
    glance: list[Change] = Field(default=[], description="what is asked first, also where it is the same")
    changes: list[Change]
    same: dict[str, int] = Field(description="how many values of each part are the same")
