"""Where and with what something was made."""

from pipersr_build.evidence.base import Record


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
