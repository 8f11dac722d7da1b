"""Upscale a video file: decode, enlarge and encode at the same time, each in a thread of its own.

Frames go reader → session → writer through bounded channels, so memory does not grow with the length.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipersr_build import files
from pipersr_build.errors import InputError, TooLargeError
from pipersr_build.scales import to_hr
from pipersr_build.video import encoders
from pipersr_build.video import options as settings
from pipersr_build.video.channel import Channel, consumer, producer
from pipersr_build.video.colours import Encoding
from pipersr_build.video.copying import AnyPacket, name
from pipersr_build.video.options import VideoOptions
from pipersr_build.video.outcome import Progress, VideoReport
from pipersr_build.video.reader import Item, Moment, VideoReader
from pipersr_build.video.writer import Enlarged, VideoWriter, container_format

if TYPE_CHECKING:
    from pipersr_build.runtime.pipeline import FrameSession

AHEAD = 3  # frames that wait for the session, and for the encoder

Choose = Callable[[int, int], "FrameSession"]
Tell = Callable[[Progress], None]


def upscale_video(
    source: Path,
    target: Path,
    choose: Choose,
    *,
    scale: float,
    options: VideoOptions,
    progress: Tell | None = None,
    cancelled: threading.Event | None = None,
    partial: Path | None = None,
) -> VideoReport:
    """Upscale a video; audio, subtitles, timing, rotation, colour tags and titles go along.

    Args:
        source: a file of any container and codec that PyAV reads.
        target: what to write; its ending says the container. It appears when it is whole.
        choose: gives the session for frames of (height, width); it is closed here.
        scale: what the session enlarges by.
        options: of the encoder, the largest size, and what to do about corrupt frames.
        progress: called after every frame.
        cancelled: when set, no further frame is begun; those begun are written and the file is finished.
        partial: where a cancelled video goes, in the folder of `target`; it plays and ends early. A whole one
            removes it. None: to `target` too.

    Raises:
        InputError: the source or the target cannot be used, the output would be larger than
            `options.limit`, or the disk is full; `target` is as it was.
        MachineError: there is no encoder.
        Exception: what the session raises.
    """
    began = time.monotonic()
    settings.check(options)
    check_target(source, target, options)
    largest = int(options.limit / scale)
    reader = VideoReader(source, strict=options.errors == "stop", largest=largest)
    with closing(reader), ExitStack() as stack:
        declared = reader.stream.codec_context
        check_size(declared.height, declared.width, scale, options.limit, source)
        decoded: Channel[Item] = Channel(AHEAD)
        stack.enter_context(producer(decoded, reader.items(), "video reader"))
        items = iter(decoded)
        first = next(items)
        size = (reader.facts.height, reader.facts.width)
        check_size(*size, scale, options.limit, source)
        stage = stack.enter_context(files.staging(target.parent))
        session = stack.enter_context(choose(*size))
        job = _Job(reader, session, scale, options, cancelled or threading.Event(), progress, began)
        frames = job.run(first, items, stage / target.name, target)
        if frames:
            report = job.report()
            files.replace(stage / target.name, target if report.complete else partial or target)
            if report.complete and partial is not None:
                partial.unlink(missing_ok=True)
        return job.report()


def check_target(source: Path, target: Path, options: VideoOptions) -> None:
    """Refuse what could not be written, before any work.

    Raises:
        InputError: the ending names no container of ours, or one that cannot hold the codec; or the
            target is the source.
        MachineError: there is no encoder.
    """
    encoders.check_container(options.codec, target.suffix.lower().lstrip("."), target)
    container_format(target)
    encoders.find(options.codec)
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError("the output would replace the source", where=target, fix="choose another name")
    if target.is_dir():
        raise InputError("a folder stands where the video is to be written", where=target,
                         fix="choose another name")  # fmt: skip


def check_size(height: int, width: int, scale: float, limit: int, source: Path) -> None:
    """Refuse sizes whose frames would not fit the memory that the user means to spend.

    Raises:
        TooLargeError: a side of the output is above `limit` pixels.
    """
    tall, wide = to_hr(height, scale), to_hr(width, scale)
    if max(tall, wide) > limit:
        raise TooLargeError(
            f"{width}x{height} would become {wide}x{tall}, more than {limit} pixels a side",
            where=source,
            fix=f"if that is meant: upscale.video.limit={max(tall, wide)}",
        )


def even_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """The size (height, width) that is written: 4:2:0 takes even ones, so an odd last line is cut."""
    return to_hr(height, scale) // 2 * 2, to_hr(width, scale) // 2 * 2


@dataclass
class _Job:
    """One video on its way."""

    reader: VideoReader
    session: "FrameSession"
    scale: float
    options: VideoOptions
    cancelled: threading.Event
    progress: Tell | None
    began: float
    frames: int = 0

    def run(self, first: Item, items: Iterator[Item], path: Path, target: Path) -> int:
        """Write the whole video to `path`; how many frames it has. With none there may be no file."""
        facts = self.reader.facts
        self.size = even_size(facts.height, facts.width, self.scale)
        if min(self.size) < 2:
            raise InputError(f"frames of {facts.width}x{facts.height} are too small for a video",
                             where=self.reader.path)  # fmt: skip
        self._begun: deque[tuple[Moment, list[AnyPacket]]] = deque()
        self._rest: Item | None = None
        encoded: Channel[Enlarged] = Channel(AHEAD)
        with VideoWriter(path, target, self.reader, self.size, self.scale, self.options) as writer:
            self.suffix = target.suffix
            self.dropped = tuple(name(stream) for stream in writer.refused)
            with consumer(encoded, writer.write, "video writer"):
                self._enlarge(first, items, encoded)
            if self.frames:
                writer.finish()
            self.disordered = writer.disordered
        return self.frames

    def _enlarge(self, first: Item, items: Iterator[Item], encoded: Channel[Enlarged]) -> None:
        to_encoder = Encoding(self.reader.facts.colours)
        height, width = self.size
        for enlarged in self.session.run(self._feed(first, items)):
            moment, packets = self._begun.popleft()
            encoded.put(Enlarged(to_encoder(enlarged[:height, :width]), moment, packets))
            self.frames += 1
            self._tell()
        if self._rest is not None:
            encoded.put(Enlarged(None, self._rest.moment, self._rest.packets))

    def _feed(self, first: Item, items: Iterator[Item]) -> Iterator[np.ndarray]:
        """The frames for the session; what goes with them waits in `_begun` for their return."""
        item: Item | None = first
        while item is not None and not self.cancelled.is_set():
            if item.rgb is None:
                self._rest = item
                return
            self._begun.append((item.moment, item.packets))
            yield item.rgb
            item = next(items, None)

    def _tell(self) -> None:
        if self.progress is not None:
            seconds = time.monotonic() - self.began
            self.progress(Progress(self.frames, self.reader.total, self.reader.tally.skipped, seconds))

    def report(self) -> VideoReport:
        """What became of it."""
        facts = self.reader.facts
        return VideoReport(
            frames=self.frames,
            skipped=self.reader.tally.skipped,
            seconds=time.monotonic() - self.began,
            size=(facts.height, facts.width),
            enlarged=self.size,
            complete=self._rest is not None,
            dropped=self.dropped,
            notes=tuple(self._notes()),
            stages=dict(getattr(self.session, "stages", {})),
        )

    def _notes(self) -> Iterator[str]:
        facts, tally = self.reader.facts, self.reader.tally
        yield from _left_out(self.dropped, self.suffix)
        if tally.skipped > tally.huge:
            yield f"{tally.skipped - tally.huge} corrupt frames were skipped"
        if tally.huge:
            yield f"{tally.huge} frames of a size that is too large to be enlarged were left out"
        if self.disordered:
            yield f"{self.disordered} packets of sound or subtitles that go back in time were left out"
        if tally.truncated:
            yield "the source breaks off; what it held was written"
        if tally.resized:
            yield (f"{tally.resized} frames of another size were brought to the first one's, "
                   f"{facts.width}x{facts.height}")  # fmt: skip
        if facts.bits > 8:
            yield f"the source has {facts.bits} bits a colour, the result 8"
        if facts.interlaced:
            yield "the source is interlaced; its fields were not separated: deinterlace it first"
        if self.size != (to_hr(facts.height, self.scale), to_hr(facts.width, self.scale)):
            yield "an odd last line or column was cut: this kind of video has even sizes"


def _left_out(streams: Sequence[str], suffix: str) -> Iterator[str]:
    """What to say of these streams: further films are enlarged in no container."""
    films = [stream for stream in streams if stream.startswith("video")]
    others = [stream for stream in streams if stream not in films]
    if others:
        yield f"left out: {'; '.join(others)}, which {suffix} cannot hold (.mkv holds most)"
    if films:
        yield f"left out: {'; '.join(films)}: of several videos in a file one is enlarged"
