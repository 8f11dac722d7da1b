"""How videos are written. Nothing heavy is imported here: these are configuration keys too."""

from dataclasses import dataclass

from pipersr_build.errors import InputError

CODECS = ("h264", "hevc", "vp9", "av1")
CONTAINERS = ("mp4", "mov", "mkv", "webm")
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
ERRORS = ("skip", "stop")
LARGEST_CRF = 63  # of VP9 and AV1; H.264 and HEVC end at 51
LIMIT = 4096  # pixels per side of the output
_LEAST_LIMIT = 16  # the smallest side that all the encoders take


@dataclass
class VideoOptions:
    """Settings of the video that is written, and what to do about a source that is damaged."""

    codec: str = "h264"  # h264, hevc, vp9, av1
    crf: int | None = None  # quality, lower is better: 0 (h264: 1) to 51 (vp9, av1: 63); none: the usual one
    preset: str = "medium"  # ultrafast … veryslow: time against size
    container: str = "mp4"  # mp4, mov, mkv, webm: where no file name says it
    limit: int = LIMIT  # largest width and height that may come out, in pixels
    errors: str = "skip"  # corrupt frames: skip and count them, or stop


def check(options: VideoOptions, prefix: str = "upscale.video") -> None:
    """Check every setting.

    Args:
        options: the settings.
        prefix: of their keys in the message.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    _choice(f"{prefix}.codec", options.codec, CODECS)
    _choice(f"{prefix}.preset", options.preset, PRESETS)
    _choice(f"{prefix}.container", options.container, CONTAINERS)
    _choice(f"{prefix}.errors", options.errors, ERRORS)
    largest = LARGEST_CRF if options.codec in ("vp9", "av1") else 51
    least = 1 if options.codec == "h264" else 0  # its 0 is a lossless profile, which few players know
    if options.crf is not None and not least <= options.crf <= largest:
        raise _bad(f"{prefix}.crf", options.crf, f"{options.codec} takes {least} (best) to {largest}")
    if options.limit < _LEAST_LIMIT:
        raise _bad(f"{prefix}.limit", options.limit, f"it must be at least {_LEAST_LIMIT} pixels")


def _choice(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _bad(key, value, f"choose from {', '.join(allowed)}")


def _bad(key: str, value: object, why: str) -> InputError:
    return InputError(f"{key} is {value!r}", where=f"configuration key {key}", fix=why)
