"""The settings of `upscale`, with their checks."""

import math
from dataclasses import dataclass, field

from pipersr_build.config.refused import refused
from pipersr_build.runtime.backends import CHOICES, COMPUTE_UNITS
from pipersr_build.video.options import VideoOptions
from pipersr_build.video.options import check as check_video

FORMATS = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp")
MOST_PASSES = 4


@dataclass
class UpscaleConfig:
    """With which package pictures and videos are enlarged, how often, and where the results go."""

    package: str | None = None  # a package or a folder of some; none: exports/pipersr_2x, else the reference
    out: str | None = None  # folder for the results, or the file of a single one; none: beside the sources
    passes: int = 1  # times that a picture is enlarged: 2 make 4x of 2x
    scale: float | None = None  # the same, said as what it makes: 4
    format: str = "png"  # of pictures whose name is not given: png, jpg, webp, tif, bmp
    quality: int = 95  # of JPEG, 1 to 100
    overwrite: bool = False  # make results again that are there
    backend: str = "auto"  # auto: Core ML on a Mac, else the interpreter; interpreter; coreml
    compute_units: str = "cpuAndNeuralEngine"  # that Core ML may use; cpuAndGPU, cpuOnly, all
    video: VideoOptions = field(default_factory=VideoOptions)


def check_upscale(upscale: UpscaleConfig) -> None:
    """Check each setting.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    allowed = {"format": FORMATS, "backend": CHOICES, "compute_units": tuple(COMPUTE_UNITS)}
    for key, choices in allowed.items():
        if getattr(upscale, key) not in choices:
            raise refused(f"upscale.{key}", getattr(upscale, key), f"choose from {', '.join(choices)}")
    if not 1 <= upscale.passes <= MOST_PASSES:
        raise refused("upscale.passes", upscale.passes, f"give a number from 1 to {MOST_PASSES}")
    if upscale.scale is not None and not 1 < upscale.scale < math.inf:
        why = "give what the package makes in one pass or several: 2, 4"
        raise refused("upscale.scale", upscale.scale, why)
    if upscale.scale is not None and upscale.passes != 1:
        raise refused("upscale.scale", upscale.scale, "give it or upscale.passes, not both")
    if not 1 <= upscale.quality <= 100:
        raise refused("upscale.quality", upscale.quality, "give a number from 1 to 100")
    check_video(upscale.video)


def passes_of(upscale: UpscaleConfig, scale: float) -> int:
    """How many passes of a package of `scale` the settings ask for.

    Raises:
        InputError: no number of passes makes `upscale.scale`.
    """
    if upscale.scale is None:
        return upscale.passes
    for passes in range(1, MOST_PASSES + 1):
        if math.isclose(scale**passes, upscale.scale):
            return passes
    makes = ", ".join(f"{scale**passes:g}" for passes in range(1, MOST_PASSES + 1))
    raise refused("upscale.scale", upscale.scale, f"the package makes {makes}")
