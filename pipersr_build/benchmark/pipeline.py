"""The host's side of video: what the pipeline sustains around a prediction that only waits, and its parts.

The prediction waits as long as the published one takes on an M4 Max's Neural Engine and then hands back a
picture made beforehand, so that what is measured is this machine's work: reading, converting, encoding and
handing on, all while it waits.
"""

import io
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import av
import numpy as np
import torch
from av.video.stream import VideoStream

from pipersr_build.benchmark.record import Figure
from pipersr_build.data.photos import load_photos
from pipersr_build.runtime.convert import fp16_to_rgb8, one_thread, rgb8_to_fp16
from pipersr_build.runtime.pipeline import FrameSession

HEIGHT, WIDTH, SCALE = 360, 640, 2
WAIT = 0.0208  # s: a frame on the ANE of an M4 Max, https://modelpiper.com
FRAMES, WARM_UP = 240, 24
ROUNDS = 120  # of a conversion
SHIFTS = 8  # pictures of which the video consists: one that moves
SHARE_LIMIT, FPS_LIMIT, CONVERSION_LIMIT = 0.95, 44.4, 1.5

Stages = dict[str, float]


def measure() -> list[Figure]:
    """Each conversion alone; sustained rates without encoding, with it, and with decoding too."""
    large = _moving_picture()
    return [*_conversions(large[0]), _without_encoding(large), *_with_encoding(large)]


def _without_encoding(large: list[np.ndarray]) -> Figure:
    rate, stages = sustained(large, _endless(large), lambda _: None)
    waits = statistics.median(_milliseconds(lambda: time.sleep(WAIT), 20, time.perf_counter))
    return Figure(
        name=f"frames per second around a prediction of {1e3 * WAIT:.1f} ms / {1 / WAIT:.2f}",
        value=rate * WAIT,
        limit=SHARE_LIMIT,
        direction="at least",
        unit="x",
        detail=f"{rate:.2f} fps; that wait alone takes {waits:.2f} ms here; {_how(stages)}",
    )


def _with_encoding(large: list[np.ndarray]) -> list[Figure]:
    clip = _clip([picture[::SCALE, ::SCALE] for picture in large], FRAMES)
    sources = {"H.264 encoding": _endless(large), "H.264 decoding and encoding": _decoded(clip)}
    figures = []
    for name, source in sources.items():
        with Encoder(SCALE * HEIGHT, SCALE * WIDTH) as encoder:
            rate, stages = sustained(large, source, encoder.add)
        detail = f"libx264 ultrafast, {encoder.megabits:.1f} Mbit/s; {_how(stages)}"
        figures.append(
            Figure(name=f"frames per second with {name}", value=rate, limit=FPS_LIMIT, direction="at least",
                   unit="fps", detail=detail)
        )  # fmt: skip
    return figures


def sustained(
    large: list[np.ndarray], source: Iterable[np.ndarray], consume: Callable[[np.ndarray], None]
) -> tuple[float, Stages]:
    """Frames per second after the warm-up, and milliseconds a frame of each stage.

    Args:
        large: the pictures that the prediction hands back, uint8 SCALE HEIGHT, SCALE WIDTH, 3.
        source: frames, uint8 HEIGHT, WIDTH, 3; `FRAMES` of them are used.
        consume: what is done with each result.
    """
    results = itertools.cycle([_tensor(picture) for picture in large])

    def predict(_: np.ndarray) -> np.ndarray:
        time.sleep(WAIT)
        return next(results)

    times, used = [], []
    with FrameSession(predict, height=HEIGHT, width=WIDTH, scale=SCALE) as session:
        for frame in session.run(itertools.islice(source, FRAMES)):
            started = time.perf_counter()
            consume(frame)
            times.append(time.perf_counter())
            used.append(times[-1] - started)
        stages = {name: stage.milliseconds for name, stage in session.stages.items()}
    stages["use"] = 1e3 * statistics.fmean(used)
    return (len(times) - WARM_UP) / (times[-1] - times[WARM_UP - 1]), stages


def _conversions(large: np.ndarray) -> list[Figure]:
    """Processor time of each conversion, of one core, so that other work on the machine does not count."""
    frame, given = np.ascontiguousarray(large[::SCALE, ::SCALE]), np.zeros((1, 3, HEIGHT, WIDTH), np.float16)
    tensor, result = _tensor(large), np.zeros_like(large)
    actions: dict[str, Callable[[], None]] = {
        f"8-bit RGB {WIDTH}x{HEIGHT} to Float16": lambda: rgb8_to_fp16(frame, given),
        f"Float16 {SCALE * WIDTH}x{SCALE * HEIGHT} to 8-bit RGB": lambda: fp16_to_rgb8(tensor, result),
    }
    threads = torch.get_num_threads()
    one_thread()
    figures = []
    for name, action in actions.items():
        taken = sorted(_milliseconds(action, ROUNDS, time.thread_time))
        detail = f"median of {ROUNDS}, fastest {taken[0]:.2f} ms; processor time of one core"
        value = statistics.median(taken)
        figures.append(Figure(name=name, value=value, limit=CONVERSION_LIMIT, unit="ms", detail=detail))
    torch.set_num_threads(threads)
    return figures


def _milliseconds(action: Callable[[], None], rounds: int, clock: Callable[[], float]) -> list[float]:
    taken = []
    for _ in range(rounds):
        started = clock()
        action()
        taken.append(1e3 * (clock() - started))
    return taken


class Encoder:
    """An H.264 stream in memory at libx264's fastest preset; with its own threads."""

    def __init__(self, height: int, width: int) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp4")
        self._stream: VideoStream = self._container.add_stream("libx264", 30, {"preset": "ultrafast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._frames = 0

    def add(self, rgb: np.ndarray) -> None:
        """Encode a frame, uint8 height, width, 3."""
        self._frames += 1
        self._container.mux(self._stream.encode(av.VideoFrame.from_numpy_buffer(rgb, "rgb24")))

    def __enter__(self) -> "Encoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    @property
    def clip(self) -> bytes:
        """The finished file."""
        return self._file.getvalue()

    @property
    def megabits(self) -> float:
        """Megabits of a second of 30 frames."""
        return 8e-6 * len(self.clip) * 30 / self._frames


def _clip(pictures: list[np.ndarray], frames: int) -> bytes:
    with Encoder(HEIGHT, WIDTH) as encoder:
        for picture in itertools.islice(itertools.cycle(pictures), frames):
            encoder.add(np.ascontiguousarray(picture))
    return encoder.clip


def _decoded(clip: bytes) -> Iterator[np.ndarray]:
    with av.open(io.BytesIO(clip), "r") as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _endless(large: list[np.ndarray]) -> Iterator[np.ndarray]:
    return itertools.cycle([np.ascontiguousarray(picture[::SCALE, ::SCALE]) for picture in large])


def _moving_picture() -> list[np.ndarray]:
    """A mosaic of photographs that moves by four pixels a frame."""
    height, width = SCALE * HEIGHT, SCALE * WIDTH
    tiles = itertools.cycle([photo.rgb[: height // 3, : width // 4] for photo in load_photos()])
    rows = [np.concatenate([next(tiles) for _ in range(6)], axis=1) for _ in range(3)]
    wide = np.concatenate(rows)
    return [np.ascontiguousarray(wide[:, 4 * i : 4 * i + width]) for i in range(SHIFTS)]


def _tensor(picture: np.ndarray) -> np.ndarray:
    tensor = np.zeros((1, 3, *picture.shape[:2]), np.float16)
    rgb8_to_fp16(picture, tensor)
    return tensor


def _how(stages: Stages) -> str:
    each = ", ".join(f"{name} {ms:.1f}" for name, ms in stages.items())
    return (
        f"{FRAMES - WARM_UP} frames {WIDTH}x{HEIGHT} to {SCALE * WIDTH}x{SCALE * HEIGHT}; ms a frame: {each}"
    )
