"""Write a video: encoded frames, copied packets, and the source's timing, rotation, colours and tags."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream

from pipersr_build.errors import InputError
from pipersr_build.files import explain_os_error
from pipersr_build.video import copying, encoders
from pipersr_build.video.copying import AnyPacket
from pipersr_build.video.options import VideoOptions
from pipersr_build.video.reader import Facts, Moment, VideoReader

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_MP4_FAMILY = ("mp4", "mov")
_SCALED_SHIFT = (6, 7)  # of a display matrix: the translation, in pixels


@dataclass(frozen=True)
class Enlarged:
    """An enlarged frame for the encoder and its time, with the packets that stand before it."""

    frame: av.VideoFrame | None
    moment: Moment
    packets: list[AnyPacket]


def container_format(target: Path) -> str:
    """FFmpeg's name for the container that a file name asks for.

    Raises:
        InputError: none of ours.
    """
    if target.suffix.lower() not in FORMATS:
        raise InputError(f"{target.suffix or 'a name without ending'} is no container that is written here",
                         where=target, fix=f"choose from {', '.join(FORMATS)}")  # fmt: skip
    return FORMATS[target.suffix.lower()]


class VideoWriter:
    """A video file that is being written; as a context it is closed at the end, whole or not.

    Args:
        path: where; its ending says the container.
        target: the name for messages.
        reader: the source, its first frame read.
        size: (height, width) of the frames to come, both even.
        scale: by which they are enlarged.
        options: the encoder's settings.

    Raises:
        InputError: the container cannot hold it, or the disk takes nothing.
        MachineError: there is no such encoder.
    """

    def __init__(
        self, path: Path, target: Path, reader: VideoReader, size: tuple[int, int], scale: float,
        options: VideoOptions,
    ) -> None:  # fmt: skip
        self._target, self._format = target, container_format(path)
        encoder = encoders.find(options.codec)
        self.held, self.refused = copying.divide(reader.copied, self._format)
        self._held_back: AnyPacket | None = None
        self._copied: dict[int, int] = {}  # the last decoding time of each copied stream
        self.disordered = 0
        self._first_dts: int | None = None
        self._base = reader.facts.time_base
        self._span: tuple[int, int] | None = None
        with self._explained():
            extra = {"movflags": "+faststart"} if self._format in _MP4_FAMILY else {}
            self._output = av.open(str(path.resolve()), "w", format=self._format, container_options=extra)
            self._video = self._add_video(encoder, options, reader, size, scale)
            self._copies = {s.index: copying.add_copy(self._output, s) for s in self.held}
            self._output.metadata.update(_film_tags(reader.container.metadata))
            _copy_chapters(reader, self._output)
            self._output.start_encoding()

    def write(self, item: Enlarged) -> None:
        """Encode a frame and copy the packets before it.

        Raises:
            InputError: the disk is full, or the encoder refuses.
        """
        with self._explained():
            for packet in item.packets:
                self._copy(packet)
            if item.frame is not None:
                self._encode(item.frame, item.moment)

    def finish(self) -> None:
        """Write what the encoder still holds and the container's index.

        Raises:
            InputError: as `write`.
        """
        with self._explained():
            self._mux(self._video.encode(None))
            if self._held_back is not None:
                self._lengthen_last()
                self._output.mux(self._held_back)
            self._output.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file; what an unfinished one would still write does not matter."""
        del kind, error, trace
        with suppress(av.FFmpegError, OSError):
            self._output.close()

    def _add_video(
        self, encoder: encoders.Encoder, options: VideoOptions, reader: VideoReader, size: tuple[int, int],
        scale: float,
    ) -> VideoStream:  # fmt: skip
        facts = reader.facts
        stream = self._output.add_stream(
            encoder.library, rate=facts.rate, options=encoders.settings(encoder, options), height=size[0],
            width=size[1], time_base=facts.time_base, pix_fmt="yuv420p",
        )  # fmt: skip
        assert isinstance(stream, VideoStream)
        _tag(stream, facts)
        if encoder.tag and self._format in _MP4_FAMILY:
            stream.codec_context.codec_tag = encoder.tag
        if facts.matrix:
            stream.set_display_matrix(_scaled(facts.matrix, scale))
        stream.metadata.update(copying.kept_tags(reader.stream.metadata))
        stream.disposition = reader.stream.disposition
        return stream

    def _encode(self, frame: av.VideoFrame, moment: Moment) -> None:
        frame.pts, frame.duration, frame.time_base = moment.pts, moment.duration, self._base
        first = self._span[0] if self._span else moment.pts
        self._span = (first, moment.pts + moment.duration)
        self._mux(self._video.encode(frame))

    def _mux(self, packets: Sequence[AnyPacket]) -> None:
        """Write all but the last, which is kept until it is known whether another one comes."""
        for packet in packets:
            if self._held_back is not None:
                self._output.mux(self._held_back)
            self._first_dts = packet.dts if self._first_dts is None else self._first_dts
            self._held_back = packet

    def _lengthen_last(self) -> None:
        """MP4 keeps durations in decoding order, so the last packet carries what makes the sum right."""
        last, first = self._held_back, self._first_dts
        if self._format in _MP4_FAMILY and self._span and last and last.dts is not None and first is not None:
            ticks = round((self._span[1] - self._span[0]) * self._base / last.time_base)
            last.duration = max(1, ticks - (last.dts - first))

    def _copy(self, packet: AnyPacket) -> None:
        copy = self._copies.get(packet.stream.index)
        if copy is not None and not _is_gap(packet):
            index, last = packet.stream.index, self._copied.get(packet.stream.index)
            if packet.dts is None and last is None:  # a cover picture has no time
                packet.dts = 0
            if packet.dts is None or (last is not None and packet.dts <= last):
                self.disordered += 1  # no muxer takes these; only damaged files have them
                return
            self._copied[index] = packet.dts
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
            packet.stream = copy
            self._output.mux(packet)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a refusal to write means."""
        try:
            yield
        except OSError as error:
            raise explain_os_error(error, self._target) or self._refusal(error) from error
        except (av.FFmpegError, ValueError, OverflowError) as error:  # damaged files have times beyond all
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> InputError:
        why = getattr(error, "strerror", None) or str(error)
        fix = "choose another container (.mkv holds most) or other upscale.video settings"
        return InputError(f"the video cannot be written: {why}", where=self._target, fix=fix)


def _is_gap(packet: AnyPacket) -> bool:
    """Whether it only says that a subtitle is over: MP4's muxer says that by itself."""
    context = packet.stream.codec_context
    return context is not None and context.name == "mov_text" and bytes(packet) == bytes(2)


def _tag(stream: VideoStream, facts: Facts) -> None:
    """Colours, pixel aspect, and durations that the encoder is to pass on."""
    context = stream.codec_context
    context.color_primaries, context.color_trc = facts.colours.primaries, facts.colours.transfer
    context.colorspace, context.color_range = facts.colours.matrix, facts.colours.range
    if facts.aspect:
        context.sample_aspect_ratio = facts.aspect
    context.flags |= Flags.frame_duration


def _scaled(matrix: tuple[int, ...], scale: float) -> list[int]:
    """The display matrix of enlarged frames; what a damaged one shifts too far, as far as 32 bits go."""
    limits = -(2**31), 2**31 - 1
    shifts = {place: min(max(round(matrix[place] * scale), limits[0]), limits[1]) for place in _SCALED_SHIFT}
    return [shifts.get(place, value) for place, value in enumerate(matrix)]


def _film_tags(metadata: dict[str, str]) -> dict[str, str]:
    """The film's title and the like, without the marks of the container that it came in."""
    marks = ("major_brand", "minor_version", "compatible_brands")
    return {k: v for k, v in copying.kept_tags(metadata).items() if k not in marks}


def _copy_chapters(reader: VideoReader, output: OutputContainer) -> None:
    chapters = reader.container.chapters()
    if chapters:
        output.set_chapters(chapters)
