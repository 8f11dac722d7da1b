"""Read a video: its frames as RGB, its other streams as packets, and what the container says about it."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from pipersr_build.errors import InputError, TooLargeError
from pipersr_build.video.colours import Colours, Decoding, colours_of
from pipersr_build.video.copying import AnyPacket
from pipersr_build.video.opening import open_input

USUAL_RATE = Fraction(25)  # frames per second, where nothing is said
_MATRIX = "DISPLAYMATRIX"
HUGE = "frames become too large to be enlarged"
_SMALL_AREA = 1 << 20  # pixels that are always decoded: decoders add edges to what they count
_CLOCKS = ("mpegts", "mpeg")  # whose clock starts anywhere: begins at zero in what is written
# Which write down how long they are; of others FFmpeg estimates it from what is there
_PROMISING = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "flv", "mxf")
# What headers are off by: at least and at most so many seconds, and a share of the length
_LEAST, _MOST, _SHARE = Fraction(1, 10), Fraction(1), Fraction(1, 100)


@dataclass(frozen=True)
class Facts:
    """What stays the same from the source's video stream to the one that is written.

    Args:
        height: of the first frame, which all are brought to.
        width: of the first frame.
        time_base: the unit of all times, in seconds.
        rate: frames per second on average.
        aspect: width of a pixel by its height; None where nothing is said.
        matrix: the display matrix (rotation, mirroring), nine integers as FFmpeg has them; None without.
        colours: its tags.
        bits: of a colour channel.
        interlaced: whether the first frame is.
    """

    height: int
    width: int
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    matrix: tuple[int, ...] | None
    colours: Colours
    bits: int
    interlaced: bool


@dataclass(frozen=True)
class Moment:
    """When a frame is shown and for how long, in the time base; duration 0: not known."""

    pts: int
    duration: int


@dataclass(frozen=True)
class Item:
    """A frame, uint8 H, W, 3, with the packets of other streams that stand before it; the last has none."""

    rgb: np.ndarray | None
    moment: Moment
    packets: list[AnyPacket]


@dataclass
class Tally:
    """What went wrong while reading."""

    skipped: int = 0  # frames that were not decoded: corrupt ones, and …
    huge: int = 0  # … of these, those of a size that is not decoded
    resized: int = 0  # frames of another size than the first
    truncated: bool = False  # the file ends before its end


@dataclass
class VideoReader:
    """An opened video.

    Args:
        path: of the file.
        strict: stop at the first corrupt frame.
        largest: pixels that a frame is meant to be wide or high, which the caller checks; a stream that later
            turns to frames of more than four times that area, and 1 Mpx, does not get them decoded.
    """

    path: Path
    strict: bool = False
    largest: int | None = None
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        """Open it.

        Raises:
            InputError: there is no such file, it is no video, or it has no video stream.
        """
        self.container = open_input(self.path)
        self.stream = self._video_stream()
        self.copied = [s for s in self.container.streams if s is not self.stream and not self._is_chapters(s)]
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.flags |= Flags.output_corrupt  # to count them
        self._area = None if self.largest is None else max(4 * self.largest**2, _SMALL_AREA)
        if self._area is not None:
            self.stream.codec_context.options = {"max_pixels": str(self._area)}
        self._facts: Facts | None = None
        self._last: int | None = None
        self._next = 0
        self._begin: Fraction | None = None  # of the video's packets …
        self._end = self._whole_end = Fraction(0)  # … their end, and that of all packets
        self._shift = _shift(self.container)
        self._may_go_back = 0 if self.container.format.name in _CLOCKS else 1  # seconds, of a damaged file
        self._dts: Fraction | None = None  # of the video's last packet
        self._clock = Fraction(0)  # where the video's next packet should begin

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()

    @property
    def facts(self) -> Facts:
        """Known once the first item has come."""
        assert self._facts is not None
        return self._facts

    @property
    def total(self) -> int | None:
        """How many frames there are by the container, or by its duration; None where it says neither."""
        if self.stream.frames:
            return self.stream.frames
        seconds = _seconds(self.stream, self.container)
        return round(seconds * (self.stream.average_rate or USUAL_RATE)) or None if seconds else None

    def items(self) -> Iterator[Item]:
        """Every frame in order of presentation; at the end an item without one, with the last packets.

        Raises:
            InputError: a frame is corrupt and `strict`, or no frame can be decoded at all.
        """
        packets: list[AnyPacket] = []
        for packet in self._packets():
            if packet.stream is not self.stream:
                if packet.size:  # the last ones, which flush decoders, are empty
                    packets.append(packet)
                continue
            for frame in self._decoded(packet):
                yield Item(self._rgb(frame), self._moment(frame), packets)
                packets = []
        if self._facts is None:
            raise self._nothing()
        yield Item(None, Moment(0, 0), packets)

    def _video_stream(self) -> VideoStream:
        pictures = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = [s for s in self.container.streams.video if not s.disposition & pictures]
        if not streams:
            kinds = ", ".join(sorted({s.type for s in self.container.streams})) or "nothing"
            self.close()
            raise InputError(f"there is no video in it (it holds {kinds})", where=self.path,
                             fix="give a file with a video stream")  # fmt: skip
        chosen = next((s for s in streams if s.disposition & Disposition.default), streams[0])
        if chosen.codec_context is None:
            self.close()
            raise InputError("its video is of a kind that PyAV cannot decode", where=self.path)
        return chosen

    def _is_chapters(self, stream: Stream) -> bool:
        """MP4 lists its chapters, which are copied, as a stream too."""
        return stream.type == "data" and stream.name == "bin_data" and bool(self.container.chapters())

    def _packets(self) -> Iterator[AnyPacket]:
        """All packets; a file that breaks off ends there, and what the decoder still holds comes out."""
        try:
            for packet in self.container.demux():
                self._reach(packet)
                yield self._at_zero(packet)
            self._check_end()
        except av.FFmpegError as error:
            self._break_off(str(error.strerror))
            yield from self._flush()

    def _flush(self) -> Iterator[AnyPacket]:
        packet: AnyPacket = Packet()
        packet.stream, packet.time_base = self.stream, self.stream.time_base or Fraction(1, av.time_base)
        yield packet

    def _reach(self, packet: AnyPacket) -> None:
        """Note where the packet ends."""
        time = packet.dts if packet.pts is None else packet.pts
        if time is None or not packet.time_base:
            return
        start, end = time * packet.time_base, (time + (packet.duration or 0)) * packet.time_base
        self._whole_end = max(self._whole_end, end)
        if packet.stream is self.stream:
            self._begin = start if self._begin is None else min(self._begin, start)
            self._end = max(self._end, end)

    def _check_end(self) -> None:
        """Whether the file holds as much as its header promises.

        Where that says how many frames there are, the video's own length is exact. Else it is that of
        the longest stream, and in some files an estimate; Matroska's begins at zero, even where the film
        begins later.
        """
        if self.tally.truncated or self.container.format.name not in _PROMISING:
            return
        slack = 2 * self._usual
        if self._own_length is not None:
            promised, reached = self._own_length, self._end - (self._begin or 0)
        else:
            promised = Fraction(self.container.duration or 0, av.time_base)
            begin = Fraction(self.container.start_time or 0, av.time_base)
            reached = self._whole_end - (min(begin, Fraction(0)) if self._is_matroska else begin)
            slack = max(slack, _LEAST, min(promised * _SHARE, _MOST))
        if reached < promised - slack:
            self._break_off(f"it ends at {float(reached):.2f} s of {float(promised):.2f} s")

    @property
    def _own_length(self) -> Fraction | None:
        """The video's length in seconds by its number of frames, where the header says that."""
        if not self.stream.frames or not self.stream.duration or not self.stream.time_base:
            return None
        if self.container.format.name == "avi":  # whose duration FFmpeg takes from what is there
            return self.stream.frames * self._usual
        return self.stream.duration * self.stream.time_base  # shorter where an MP4 was trimmed

    @property
    def _is_matroska(self) -> bool:
        return "matroska" in self.container.format.name

    @property
    def _usual(self) -> Fraction:
        """How long a frame is shown, in seconds, on average."""
        return 1 / (self.stream.average_rate or USUAL_RATE)

    def _break_off(self, why: str) -> None:
        self.tally.truncated = True
        self._broken(f"the file breaks off ({why})")

    def _decoded(self, packet: AnyPacket) -> Iterator[av.VideoFrame]:
        """The whole frames of a packet; others are counted."""
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError as error:
            if self._is_huge():
                self.tally.huge += 1
                self._skip(HUGE, "raise upscale.video.limit, or skip such frames: upscale.video.errors=skip")
            else:
                self._skip(f"a frame cannot be decoded: {error.strerror}")
            return
        for frame in frames:
            if frame.is_corrupt:
                self._skip("a frame cannot be decoded: its data is damaged")
            else:
                yield frame

    def _is_huge(self) -> bool:
        """Whether the decoder gave up because of a size: it keeps that size, or forgets the one it had."""
        if self._area is None:
            return False
        context = self.stream.codec_context
        forgotten = self._facts is not None and not context.width
        return forgotten or context.width * context.height > self._area

    def _skip(self, what: str, fix: str | None = None) -> None:
        self.tally.skipped += 1
        self._broken(what, fix)

    def _broken(self, what: str, fix: str | None = None) -> None:
        if self.strict:
            seconds = float(self._next * (self.stream.time_base or 0))
            raise InputError(f"{what}, after {seconds:.2f} s", where=self.path,
                             fix=fix or "skip such frames with upscale.video.errors=skip")  # fmt: skip

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame in RGB and in the size of the first."""
        if self._facts is None:
            self._facts = self._facts_of(frame)
            self._decoding = Decoding(self._facts.colours, frame.height, frame.width)
        if (frame.height, frame.width) != (self._facts.height, self._facts.width):
            self.tally.resized += 1
        return self._decoding(frame)

    def _moment(self, frame: av.VideoFrame) -> Moment:
        """Its time in the stream's time base; one that is missing or not later is put right behind."""
        pts = self._next if frame.pts is None else frame.pts
        if self._last is not None and pts <= self._last:
            pts = self._last + 1
        self._last = pts
        usual = max(1, round(self._usual / self.facts.time_base))
        self._next = pts + (frame.duration or usual)
        return Moment(pts, frame.duration or usual)

    def _at_zero(self, packet: AnyPacket) -> AnyPacket:
        """The packet on a clock that begins at zero and never jumps back."""
        if packet.stream is self.stream and packet.dts is not None:
            now = packet.dts * packet.time_base
            if self._dts is not None and now < self._dts - self._may_go_back:  # parts of films, joined
                self._shift += now - self._clock
            self._dts = now
            self._clock = now + (packet.duration * packet.time_base if packet.duration else self._usual)
        if self._shift and packet.time_base:
            ticks = round(self._shift / packet.time_base)
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks
        return packet

    def _facts_of(self, frame: av.VideoFrame) -> Facts:
        stream = self.stream
        return Facts(
            height=frame.height,
            width=frame.width,
            time_base=stream.time_base or 1 / (stream.average_rate or USUAL_RATE),
            rate=stream.average_rate or USUAL_RATE,
            aspect=stream.sample_aspect_ratio or None,
            matrix=display_matrix(frame),
            colours=colours_of(frame, self.path),
            bits=max(component.bits for component in frame.format.components),
            interlaced=frame.interlaced_frame,
        )

    def _nothing(self) -> InputError:
        what = "no frame can be decoded"
        if self.tally.huge:
            return TooLargeError("its frames are too large", where=self.path, fix="raise upscale.video.limit")
        if self.tally.skipped:
            what = f"none of its {self.tally.skipped} frames can be decoded"
        return InputError(
            what, where=self.path, fix="the file is empty, cut off or damaged: give a whole one"
        )


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """How players are to turn or mirror the frames: nine integers as FFmpeg has them, or None."""
    sides = cast("Mapping[str, bytes]", frame.side_data)  # buffers by name, which its stub does not say
    return struct.unpack("=9i", bytes(sides[_MATRIX])[:36]) if _MATRIX in sides else None


def _seconds(stream: VideoStream, container: InputContainer) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None


def _shift(container: InputContainer) -> Fraction:
    """How much earlier everything is to be, in seconds."""
    if container.format.name not in _CLOCKS or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)
