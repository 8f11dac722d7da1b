"""Everything known about one export: what `evidence.json` holds."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evidence.base import Record
from pipersr_build.evidence.exported import CensusComparison, FileRecord, Fusion, PackageRecord
from pipersr_build.evidence.figures import Activations, Peer, Roof
from pipersr_build.evidence.gates import Gate
from pipersr_build.evidence.provenance import Provenance
from pipersr_build.evidence.quality import Quality, Sample
from pipersr_build.evidence.training import Training

SCHEMA_VERSION: Literal[2] = 2


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
