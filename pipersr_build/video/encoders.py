"""Which encoder writes a codec, and what our settings mean to it."""

import os
from dataclasses import dataclass

import av

from pipersr_build.errors import InputError, MachineError
from pipersr_build.video.options import PRESETS, VideoOptions


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg's: its name there, its usual quality, and its tag in MP4 if players want one."""

    codec: str
    library: str
    crf: int
    tag: str | None = None


ENCODERS = {
    "h264": Encoder("H.264", "libx264", 18),
    "hevc": Encoder("HEVC", "libx265", 20, "hvc1"),  # QuickTime plays no hev1
    "vp9": Encoder("VP9", "libvpx-vp9", 24),
    "av1": Encoder("AV1", "libsvtav1", 24),
}
_VP9_SPEEDS = (8, 7, 6, 5, 4, 3, 2, 1, 0)  # cpu-used, for each preset
_AV1_SPEEDS = (12, 11, 10, 9, 8, 7, 5, 4, 3)


def find(codec: str) -> Encoder:
    """The encoder of a codec.

    Raises:
        MachineError: PyAV was built without it.
    """
    encoder = ENCODERS[codec]
    if not exists(encoder.library):
        others = [name for name, other in ENCODERS.items() if exists(other.library)]
        fix = f"install PyAV's own wheels (pip install av), or choose from {', '.join(others) or 'none'}"
        raise MachineError(f"PyAV has no {encoder.codec} encoder here ({encoder.library})", fix=fix)
    return encoder


def exists(library: str) -> bool:
    """Whether PyAV has this encoder."""
    try:
        av.Codec(library, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def settings(encoder: Encoder, options: VideoOptions) -> dict[str, str]:
    """The encoder's own options for ours."""
    crf = str(encoder.crf if options.crf is None else options.crf)
    speed = PRESETS.index(options.preset)
    if encoder.library == "libvpx-vp9":
        return {"crf": crf, "b": "0", "deadline": "good", "cpu-used": str(_VP9_SPEEDS[speed]), "row-mt": "1"}
    if encoder.library == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; it writes to the terminal by itself
        return {"crf": crf, "preset": str(_AV1_SPEEDS[speed])}
    if encoder.library == "libx265":
        return {"crf": crf, "preset": options.preset, "x265-params": "log-level=error"}
    # ultrafast leaves out the transform that makes the stream High profile; it costs nothing to see
    return {"crf": crf, "preset": options.preset, "x264-params": "8x8dct=1"}


def check_container(codec: str, container: str, path: object) -> None:
    """Refuse a codec that the container cannot hold.

    Raises:
        InputError: with the containers that can.
    """
    if container == "webm" and codec not in ("vp9", "av1"):
        raise InputError(f"WebM holds no {ENCODERS[codec].codec}", where=path,
                         fix="write .mkv, or choose the codec vp9 or av1")  # fmt: skip
    if container == "mov" and codec in ("vp9", "av1"):
        raise InputError(f"QuickTime plays no {ENCODERS[codec].codec} in .mov", where=path,
                         fix="write .mp4 or .mkv")  # fmt: skip
