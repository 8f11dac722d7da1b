"""The record of an evaluation, `quality.json`: who was judged, on what, with which result."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Quality, Record

Kind = Literal["bicubic", "package", "weights", "checkpoint"]


class Subject(Record):
    """What was judged: a file, or bicubic, which has none."""

    name: str = Field(description="as in the quality records")
    kind: Kind
    scale: int | float
    parameters: int | None = Field(
        description="elements of its weights, branches collapsed; None for bicubic"
    )
    runner: str = Field(description="what executed it, for example 'MIL interpreter, fp16'")
    sha256: str = Field(default="", description="of the file, or of the package's files")
    config: dict[str, Any] = Field(default={}, description="the network's, or the package's interface")


class Pictures(Record):
    """A test set as it was read."""

    name: str
    scale: int | float
    count: int
    lr: Literal["shipped", "made"] = Field(description="whether the small pictures were read or made")


class Difference(Record):
    """A method's mean above (positive) or below a published network's, under one protocol."""

    subject: str
    dataset: str
    protocol: str
    network: str
    published_psnr: float = Field(description="dB")
    published_ssim: float | None
    psnr: float = Field(description="ours less the published one's, dB")
    ssim: float | None
    source: str


class Evaluation(Record):
    """One run of `evaluate`."""

    schema_version: Literal[1] = 1
    provenance: Provenance
    config: dict[str, Any]
    subjects: list[Subject]
    pictures: list[Pictures]
    quality: list[Quality]
    against_published: list[Difference]


def save(record: Evaluation, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Evaluation:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, or does not follow this schema.
    """
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError("no such record", where=path, fix="make it with: pipersr-build evaluate") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(file)"
        raise InputError(
            f"the record does not follow the schema: {key}: {first['msg']}",
            where=path,
            fix="evaluate again with this version of the toolkit",
        ) from error
