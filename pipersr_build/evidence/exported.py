"""What was exported: packages, files of other formats, and the proofs that they are the network."""

from typing import Literal

from pydantic import Field

from pipersr_build.evidence.base import Record
from pipersr_build.evidence.figures import Node, Traffic
from pipersr_build.evidence.placement import Latency, Placement

Census = dict[str, int]
OtherFormat = Literal["onnx", "coreai"]


class Fusion(Record):
    """The proof that the deploy network equals the trained one."""

    parameters_before: int
    parameters_after: int
    batch_norms_folded: int
    max_abs_error: float = Field(description="over the test inputs, in float64")


class CensusComparison(Record):
    """MIL operations before and after fusion for one kind of input and output."""

    io: str
    before: Census
    after: Census


class Parity(Record):
    """A package, run from disk, against PyTorch on one input."""

    input: str
    runner: str = Field(description="what executed the package, for example 'interpreter fp16'")
    reference: str
    psnr_db: float | None = Field(description="peak 1.0; None where the two are identical")
    max_abs: float = Field(description="largest difference; 8-bit levels for images, else [0, 1] units")


class PackageRecord(Record):
    """One exported package."""

    file: str
    function: str = Field(default="", description="of a package with several: a record for each")
    contract: Literal["image", "video"]
    state: bool = Field(default=False, description="the state of the frame before goes in and comes out")
    input: str
    output: str
    target: str
    bytes: int
    sha256: str
    census: Census
    parity: list[Parity]
    placement: Placement | None = None
    compute_plan: Placement | None = Field(default=None, description="Core ML's own, read on a Mac")
    graph: list[Node] = Field(default=[])
    latencies: list[Latency] = Field(default=[], description="predicted, on every chip with known rates")
    traffic: Traffic | None = None

    @property
    def label(self) -> str:
        """What tables call it: the file, and the function where there are several."""
        return f"{self.file}:{self.function}" if self.function else self.file

    @property
    def kind(self) -> str:
        """The contract as a person names it: `image`, `video` or `video with state`."""
        return f"{self.contract} with state" if self.state else self.contract


class FileRecord(Record):
    """One exported file of a format other than Core ML's packages."""

    file: str
    format: OtherFormat
    runtime: str = Field(description="what it asks of those who run it: `opset 18`, `Core AI 27.0`")
    contract: Literal["image", "video", "any size"]
    state: bool = Field(default=False, description="the state of the frame before goes in and comes out")
    input: str
    output: str
    bytes: int
    sha256: str
    census: Census
    parity: list[Parity]

    @property
    def kind(self) -> str:
        """The contract as a person names it: `image`, `any size`, `video with state`."""
        return f"{self.contract} with state" if self.state else self.contract
