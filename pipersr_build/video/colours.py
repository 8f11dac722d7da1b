"""Between a video's own colours and RGB, by the matrix and the range that the video says.

Codes are those of ITU-T H.273, which FFmpeg and the containers use alike.
"""

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from pipersr_build.errors import InputError

RGB, BT709, UNSPECIFIED, BT601 = 0, 1, 2, 6  # matrix coefficients
MATRICES = {1: "BT.709", 4: "FCC", 5: "BT.470 BG", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}
LIMITED, FULL = 1, 2  # FFmpeg's codes of a range
SD_LINES = 576  # up to here an untagged picture is taken for BT.601, above for BT.709
# Chroma is interpolated and everything rounded, not cut: within 1 of 255 levels of the formulas
# (in one thread: of several, one writes over the first pixels of another's part where lines end oddly)
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class Colours:
    """The colour tags that a video is written with.

    Args:
        matrix: that its frames are converted with: one of `MATRICES`.
        range: LIMITED, FULL, or 0 where the source says nothing, which means limited.
        primaries: as in the source.
        transfer: as in the source.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int


def colours_of(frame: VideoFrame, path: object) -> Colours:
    """The tags for the video that `frame` begins.

    An RGB source, or one that does not name its matrix, gets the one that players assume for its size;
    that is then written down, because at twice the size they would assume another one.

    Args:
        frame: the first one, as decoded.
        path: of its video, for the message.

    Raises:
        InputError: the matrix is one that cannot be converted.
    """
    matrix, of_rgb = int(frame.colorspace), _is_rgb(frame)
    if of_rgb or matrix in (RGB, UNSPECIFIED):
        matrix = BT709 if frame.height > SD_LINES else BT601
    if matrix not in MATRICES:
        known = ", ".join(MATRICES.values())
        raise InputError(f"its colours are coded with matrix {matrix} of H.273, which is not converted here",
                         where=path, fix=f"convert it first to one of {known}")  # fmt: skip
    full = LIMITED if of_rgb else int(frame.color_range)
    if frame.format.name.startswith("yuvj"):  # a full range in the name of the pixel format
        full = FULL
    return Colours(matrix, full, int(frame.color_primaries), int(frame.color_trc))


class Decoding:
    """Decoded frames as RGB of one size."""

    def __init__(self, colours: Colours, height: int, width: int) -> None:
        self._colours, self._height, self._width = colours, height, width
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The frame as uint8, H, W, 3; a view on memory of its own."""
        if not _is_rgb(frame):
            frame.colorspace = self._colours.matrix
            frame.color_range = self._colours.range or LIMITED
        rgb = self._reformatter.reformat(
            frame, self._width, self._height, "rgb24", interpolation=_EXACT, threads=1
        )
        return rgb_view(rgb)


class Encoding:
    """RGB frames as the encoder takes them."""

    def __init__(self, colours: Colours, pixel_format: str = "yuv420p") -> None:
        self._colours, self._pixel_format = colours, pixel_format
        self._reformatter = VideoReformatter()

    def __call__(self, rgb: np.ndarray) -> VideoFrame:
        """A frame of its own memory from uint8 H, W, 3."""
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(rgb), "rgb24")
        made = self._reformatter.reformat(
            frame,
            format=self._pixel_format,
            dst_colorspace=self._colours.matrix,
            dst_color_range=self._colours.range or LIMITED,
            interpolation=_EXACT,
            threads=1,
        )
        made.colorspace, made.color_range = self._colours.matrix, self._colours.range
        made.color_primaries, made.color_trc = self._colours.primaries, self._colours.transfer
        return made


def rgb_view(frame: VideoFrame) -> np.ndarray:
    """The pixels of an rgb24 frame as H, W, 3, contiguous; copied only if its lines are padded."""
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : frame.height, : 3 * frame.width
    ]
    return np.ascontiguousarray(lines).reshape(frame.height, frame.width, 3)


def _is_rgb(frame: VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette
