"""H.264 compression, as every camera and video service has it, through FFmpeg's libraries (PyAV)."""

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from pipersr_build.data.degradations.base import Degradation, Rgb, Size, WholeRange, whole, window, within
from pipersr_build.errors import MachineError

if TYPE_CHECKING:
    import av

_REACH = 8  # deblocking, and prediction from the neighbouring block
_ENCODER = "libx264"
_OPTIONS = {"preset": "veryfast", "tune": "zerolatency"}  # no look-ahead: patches are too short for it


class H264(Degradation):
    """Encode as a short H.264 clip and take its last frame.

    `crf` is x264's constant rate factor (0 lossless … 51 worst), `frames` the length of the clip, so
    that the last frame is predicted from others, `motion` the most pixels per frame that it moves.
    """

    kind: Literal["h264"] = "h264"
    crf: Annotated[WholeRange, within(0, 51)] = (18, 35)
    frames: Annotated[WholeRange, within(1, 8)] = (1, 3)
    motion: Annotated[int, Field(ge=0, le=16)] = 2

    @property
    def reach(self) -> int:
        """Half a macroblock."""
        return _REACH

    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Encode and decode with parameters as drawn."""
        del size
        crf, frames = whole(random, self.crf), whole(random, self.frames)
        down, right = random.integers(-self.motion, self.motion, size=2, endpoint=True).tolist()
        return h264(rgb, crf, frames, (down, right))


def h264(rgb: Rgb, crf: int, frames: int = 1, motion: tuple[int, int] = (0, 0)) -> Rgb:
    """What H.264 leaves of `rgb` as the last frame of a clip.

    Args:
        rgb: uint8 of shape height, width, 3.
        crf: constant rate factor, 0..51.
        frames: length of the clip.
        motion: how far the picture moves down and right per frame, in pixels; what comes in at the
            border is mirrored.

    Raises:
        MachineError: PyAV was built without x264.
    """
    height, width = rgb.shape[:2]
    even = height + height % 2, width + width % 2  # chroma at half size needs it
    before = range(frames - 1, -1, -1)
    clip = [window(rgb, (count * motion[0], count * motion[1]), even) for count in before]
    return _through_codec(clip, crf)[:height, :width]


def _through_codec(clip: list[Rgb], crf: int) -> Rgb:
    """Encode the pictures, all of one size, and decode the last of them."""
    import av

    if _ENCODER not in av.codecs_available:
        raise MachineError(f"PyAV has no {_ENCODER}", fix="install it as a wheel: pip install --force av")
    encoder = av.CodecContext.create(_ENCODER, "w")
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(encoder, av.VideoCodecContext)
    assert isinstance(decoder, av.VideoCodecContext)
    encoder.height, encoder.width = clip[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = _OPTIONS | {"crf": str(crf)}
    encoder.thread_count = decoder.thread_count = 1  # one result, however many cores there are
    frames = [_converted(av.VideoFrame.from_ndarray(rgb, format="rgb24"), "yuv420p") for rgb in clip]
    for time, frame in enumerate(frames):
        frame.pts = time
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.asarray(_converted(decoded[-1], "rgb24").to_ndarray())


def _converted(frame: "av.VideoFrame", pixels: str) -> "av.VideoFrame":
    """Between RGB and YUV, rounded: the quick conversion truncates, which darkens by 1.3 levels."""
    from av.video.reformatter import Interpolation as Flag

    exact = Flag.ACCURATE_RND | Flag.FULL_CHR_H_INT | Flag.FULL_CHR_H_INP | Flag.BITEXACT
    return frame.reformat(format=pixels, interpolation=Flag.BICUBIC | exact, threads=1)
