"""How good pictures come out."""

from pydantic import Field

from pipersr_build.evidence.base import Record


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
