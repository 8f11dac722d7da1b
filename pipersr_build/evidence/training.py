"""How weights came to be."""

from typing import Any

from pydantic import Field

from pipersr_build.evidence.base import Record


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

    @property
    def parts(self) -> list["Training"]:
        """The runs that the weights went through, the first one first and this one last."""
        return [*(self.before.parts if self.before is not None else []), self]
