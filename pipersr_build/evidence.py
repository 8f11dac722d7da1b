"""The records of `evidence.json`: everything that was measured, predicted, or not measured.

Reports, cards and tables are rendered from these records and from nothing else. Unknown keys are
refused, so that a record always means what this file says it means.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence_figures import Activations, Node, Peer, Roof, Traffic
from pipersr_build.records import Record as Record

SCHEMA_VERSION: Literal[2] = 2

Source = Literal["measured", "predicted", "not measured"]
Verdict = Literal["pass", "fail", "unknown", "not measured"]
Direction = Literal["at least", "at most"]
Census = dict[str, int]
Device = Literal["ane", "gpu", "cpu"]
OtherFormat = Literal["onnx", "coreai"]
PlacementVerdict = Literal["ane", "soft", "tie", "hard", "dynamic", "unknown"]
RESIDENT: frozenset[PlacementVerdict] = frozenset({"ane", "tie"})


class Machine(Record):
    """Where something was measured."""

    system: str
    architecture: str
    processor: str
    cores: int
    memory_gib: float | None = None
    accelerator: str | None = None


class Provenance(Record):
    """What made an export: versions, source revision, machine, time (UTC, ISO 8601)."""

    toolkit: str
    python: str
    torch: str
    coremltools: str
    numpy: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    created: str
    command: str
    machine: Machine


class Gate(Record):
    """One thing that must hold: its value, its threshold and the verdict.

    `value` is None where nothing is known; `command` measures it (or would, on the right machine).
    """

    name: str
    subject: str
    value: float | None
    direction: Direction
    threshold: float
    unit: str
    source: Source
    verdict: Verdict
    command: str
    note: str = ""


def judge(
    name: str,
    subject: str,
    value: float | None,
    direction: Direction,
    threshold: float,
    unit: str,
    *,
    source: Source = "measured",
    command: str,
    note: str = "",
) -> Gate:
    """Make a gate and its verdict. No value gives `not measured`, or `unknown` for a prediction."""
    verdict: Verdict
    if value is None:
        verdict = "unknown" if source == "predicted" else "not measured"
    else:
        verdict = (
            "pass" if (value >= threshold if direction == "at least" else value <= threshold) else "fail"
        )
    return Gate(
        name=name,
        subject=subject,
        value=value,
        direction=direction,
        threshold=threshold,
        unit=unit,
        source=source,
        verdict=verdict,
        command=command,
        note=note,
    )


class LossPoint(Record):
    """Mean training loss over the steps since the previous point."""

    step: int
    loss: float
    learning_rate: float


class ValidationPoint(Record):
    """PSNR on the held-out pictures after `step` steps (dB, the record's protocol)."""

    step: int
    psnr: float


class Leg(Record):
    """The steps that one process trained between a start or resumption and the next."""

    first_step: int
    last_step: int = 0
    seconds: float = 0.0
    device: str
    processes: int = 1
    threads: int
    torch: str
    git_commit: str | None = None
    git_dirty: bool | None = None


class Training(Record):
    """How the weights came to be."""

    steps: int
    chosen_step: int = Field(default=0, description="whose weights were kept: the best by `validation`")
    chosen_psnr: float | None = Field(default=None, description="dB on the held-out pictures")
    optimizer: str = "adam"
    schedule: str = "cosine"
    ema: float = 0.0
    form: str = "as_is"
    legs: list[Leg] = Field(default=[])
    settings: dict[str, Any] = Field(default={}, description="the configuration, without folders")
    before: "Training | None" = Field(default=None, description="the run whose weights this one began with")
    warm_start: str = Field(default="", description="how those weights were changed for another scale")
    seconds: float
    precision: str
    device: str
    threads: int
    seed: int
    loss: str
    patch: int = Field(description="LR patch edge in pixels")
    batch: int
    corpus: str
    corpus_sha256: str = ""
    train_images: list[str]
    holdout_images: list[str]
    protocol: str
    curve: list[LossPoint]
    validation: list[ValidationPoint]
    weights_sha256: str


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


class ImageQuality(Record):
    """PSNR (dB) and SSIM of one picture."""

    image: str
    psnr: float
    ssim: float


class Quality(Record):
    """A method's quality on a set of pictures under a named protocol."""

    subject: str
    dataset: str
    protocol: str
    scale: int | float
    images: list[ImageQuality]
    mean_psnr: float
    mean_ssim: float
    lost_db: float | None = Field(
        default=None, description="mean PSNR below the export's package that has not fewer bits; else None"
    )


class Sample(Record):
    """A crop for the eye: files relative to the evidence, PNG, all of one size."""

    image: str
    bicubic: str
    ours: str
    truth: str
    bicubic_psnr: float
    ours_psnr: float


class Evidence(Record):
    """Everything known about one export."""

    schema_version: Literal[2] = SCHEMA_VERSION
    name: str
    provenance: Provenance
    model: dict[str, Any]
    weights_sha256: str = ""
    config: dict[str, Any]
    training: Training | None = None
    fusion: Fusion | None = None
    censuses: list[CensusComparison] = Field(default=[])
    packages: list[PackageRecord] = Field(default=[])
    files: list[FileRecord] = Field(default=[], description="of other formats: ONNX, Core AI")
    quality: list[Quality] = Field(default=[])
    samples: list[Sample] = Field(default=[])
    gates: list[Gate] = Field(default=[])
    roofs: list[Roof] = Field(default=[], description="of the chips that latencies are predicted for")
    activations: Activations | None = None
    peers: list[Peer] = Field(default=[], description="ours beside what others published")

    @property
    def exported(self) -> list[PackageRecord | FileRecord]:
        """The packages, and the files of other formats."""
        return [*self.packages, *self.files]

    @property
    def failed(self) -> list[Gate]:
        """The gates that failed."""
        return [gate for gate in self.gates if gate.verdict == "fail"]


def save(evidence: Evidence, path: Path) -> None:
    """Write the evidence as JSON, atomically."""
    files.write_text(path, evidence.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Evidence:
    """Read an evidence file.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    if not path.is_file():
        raise InputError("no evidence file", where=path, fix="make one with: pipersr-build run")
    try:
        return Evidence.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(file)"
        raise InputError(
            f"the evidence file does not follow the schema: {key}: {first['msg']}",
            where=path,
            fix="export again with this version of the toolkit",
        ) from error
