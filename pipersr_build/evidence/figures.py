"""The records that the report draws figures from: graph, traffic, roofs, activations, others' networks."""

from typing import Literal

from pydantic import Field

from pipersr_build.evidence.base import Record


class Node(Record):
    """One operation of a function's graph: what it reads and makes, in program order."""

    name: str = Field(description="of its first output, as in the placement")
    operator: str
    reads: list[str] = Field(description="names of the operations and inputs whose values it takes")
    shape: list[int] = Field(description="of its first output; 0 for what is not known before run time")


class Traffic(Record):
    """What one call computes and would move through memory, by arithmetic, on the chip of the placement."""

    flop: float
    weights: float = Field(description="bytes of constants")
    edges: float = Field(description="bytes of activations that cross the edges of segments")
    streamed: float = Field(description="bytes of activations if every operation read and wrote memory")


class Histogram(Record):
    """The magnitudes of one operation's result on some pictures.

    `counts[k]` values have 2^(first + k) <= |x| < 2^(first + k + 1), `first` being the record's; smaller
    ones that are not zero are in the first entry, larger ones in the last. Of very many values every n-th
    is counted; `largest` is of all.
    """

    name: str
    operator: str
    counts: list[int]
    zeros: int
    largest: float
    sums: float | None = Field(
        default=None, description="bound on a convolution's partial sums, in any order, for such values"
    )


class Activations(Record):
    """Where the activations of one package lie among the numbers that fp16 has."""

    subject: str = Field(description="the package's label")
    runner: str
    pictures: list[str]
    size: str = Field(description="of the pictures' crops, WxH")
    first: int = Field(description="exponent of two at which the counts begin")
    operations: list[Histogram]


class Roof(Record):
    """What one chip's engine sustains, as sources say; `evidence` is how the two rates are known."""

    chip: str
    tflops: float = Field(description="dense fp16 convolutions")
    bandwidth: float = Field(description="activations through memory, GB/s")
    evidence: str


class Peer(Record):
    """A mean PSNR (dB) on a standard test set: of this export's network, or of another, as published.

    Kinds: `ours`; `measured` another network under our protocol; `published` as its authors scored it, in a
    way of their own that `protocol` names; `bicubic`.
    """

    network: str
    kind: Literal["ours", "measured", "published", "bicubic"]
    parameters: int | None
    scale: int | float
    dataset: str
    protocol: str
    psnr: float
    ssim: float | None = None
    source: str
