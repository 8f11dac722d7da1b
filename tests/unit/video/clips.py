"""Small clips with everything that a film may hold, made with PyAV, and what is in them when read back."""

import contextlib
import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)
RATE = 16_000  # of the sound, samples per second; MP4 takes no slower MP3


class Nearest:
    """The contract of a frame session, one frame after another: every pixel four times."""

    def __init__(self, height, width, scale=2, fail_at=None):
        self.size, self.scale, self.fail_at = (height, width), scale, fail_at
        self.stages = {}
        self.opened = self.closed = False

    def __enter__(self):
        self.opened = True
        return self

    def __exit__(self, *_):
        self.closed = True

    def run(self, frames):
        for number, frame in enumerate(frames):
            if number == self.fail_at:
                raise ZeroDivisionError("in predict")
            assert (frame.dtype, frame.shape) == (np.uint8, (*self.size, 3))
            yield frame.repeat(self.scale, 0).repeat(self.scale, 1)


def pattern(number, height=48, width=64):
    """A picture that says its number in its brightness, with coloured corners."""
    picture = np.full((height, width, 3), 20 + 7 * number % 200, np.uint8)
    picture[: height // 2, : width // 2] = (200, 40, 40)
    picture[height // 2 :, width // 2 :] = (30, 60, 210)
    return picture


@dataclass
class Clip:
    """What a clip is made of; times in milliseconds."""

    times: list = field(default_factory=lambda: [40 * n for n in range(10)])
    size: tuple = (48, 64)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict = field(default_factory=lambda: {"crf": "10", "preset": "ultrafast"})
    sound: str | None = None  # its codec
    subtitles: str | None = None
    matrix: tuple | None = None
    colours: tuple | None = None  # matrix, range, primaries, transfer
    aspect: Fraction | None = None
    pictures: list | None = None
    time_base: Fraction = MILLISECONDS
    tags: dict = field(default_factory=dict)
    later: int = 0  # seconds by which everything is

    def write(self, path):
        with av.open(str(path), "w") as output:
            output.metadata.update(self.tags)
            tracks = [self._video(output), *self._sound(output), *self._subtitles(output)]
            output.start_encoding()
            packets = list(itertools.chain.from_iterable(track(output) for track in tracks))
            for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
                packet.pts += int(self.later / packet.time_base)
                packet.dts += int(self.later / packet.time_base)
                output.mux(packet)
        return path

    def _video(self, output):
        size = {"height": self.size[0], "width": self.size[1]}
        stream = output.add_stream(self.codec, rate=25, options=self.options, time_base=self.time_base,
                                   pix_fmt=self.pixel_format, **size)  # fmt: skip
        context = stream.codec_context
        if self.matrix:
            stream.set_display_matrix(self.matrix)
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.colours:
            (context.colorspace, context.color_range, context.color_primaries,
             context.color_trc) = self.colours  # fmt: skip

        def packets(_):
            made = []
            for number, time in enumerate(self.times):
                picture = self.pictures[number] if self.pictures else pattern(number, *self.size)
                rgb = av.VideoFrame.from_ndarray(picture, "rgb24")
                matrix, full = (self.colours or (6, 1))[:2]
                frame = rgb.reformat(
                    format=self.pixel_format, dst_colorspace=matrix, dst_color_range=full, threads=1
                )  # several write over each other's first pixels
                frame.pts, frame.time_base = round(time * MILLISECONDS / self.time_base), self.time_base
                made += stream.encode(frame)
            return made + stream.encode(None)

        return packets

    def _sound(self, output):
        if not self.sound:
            return
        stream = output.add_stream(self.sound, rate=RATE, layout="mono")
        stream.metadata["language"] = "deu"

        def packets(_):
            samples = int(RATE * (self.times[-1] + 40) / 1000)
            wave = (np.sin(np.arange(samples) / 9) * 9000).astype(np.int16)[None]
            resampler = av.AudioResampler(stream.codec_context.format.name, "mono", RATE,
                                          stream.codec_context.frame_size or 256)  # fmt: skip
            frame = av.AudioFrame.from_ndarray(wave, "s16", "mono")
            frame.sample_rate, frame.pts = RATE, 0
            resampled = [*resampler.resample(frame), *resampler.resample(None)]
            return [*itertools.chain.from_iterable(map(stream.encode, resampled)), *stream.encode(None)]

        yield packets

    def _subtitles(self, output):
        if not self.subtitles:
            return
        stream = output.add_mux_stream(self.subtitles)
        stream.time_base = MILLISECONDS

        def packets(_):
            for start in (0, 200):
                text = b"Guten Tag"
                data = len(text).to_bytes(2, "big") + text if self.subtitles == "mov_text" else text
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, MILLISECONDS
                packet.pts = packet.dts = start
                packet.duration = 150
                yield packet

        yield packets


def times(path):
    """When the frames of a video are shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def pictures(path):
    """Its frames as RGB by their own colour tags."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24", threads=1) for frame in container.decode(video=0)]


def packets(path, kind):
    """(time, data) of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = container.streams.get(**{kind: 0})[0]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.dts is not None]


def kinds(path):
    """The streams' types and codecs."""
    with av.open(str(path)) as container:
        return [(s.type, s.codec_context and s.codec_context.name) for s in container.streams]


def cut(path, share, target=None):
    """The first `share` of a file's bytes."""
    data = Path(path).read_bytes()
    target = target or path.with_stem(path.stem + "_cut")
    target.write_bytes(data[: int(len(data) * share)])
    return target


@contextlib.contextmanager
def file_size_limit(size):
    """No file may grow beyond `size` bytes: what a full disk does, without filling one."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
