"""What the service asks of the rest: a picture, a video, a session for frames, a benchmark."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Step:
    """How far a job has come: `done` of `total` (None where nobody knows), and its speed.

    Attributes:
        done: tiles of a picture, frames of a video.
        total: of these, None where the file does not say.
        per_second: over the job so far.
        seconds_left: None where `total` is.
    """

    done: int
    total: int | None = None
    per_second: float = 0.0
    seconds_left: float | None = None


Told = Callable[[Step], None]  # is called in the job's thread


@dataclass(frozen=True)
class VideoDone:
    """A finished video: frames written, frames skipped because they were broken, seconds it took.

    `notes` say what else a user should know, in sentences.
    """

    frames: int
    skipped: int
    seconds: float
    notes: tuple[str, ...] = ()


class Session(Protocol):
    """Frames of one size, one after the other."""

    def upscale(self, frame: np.ndarray) -> np.ndarray:
        """Uint8 H, W, 3 to uint8 sH, sW, 3; the result is valid until the next call."""
        ...


class Engine(Protocol):
    """The work behind the service. Calls of different methods may come at the same time.

    Attributes:
        scale: HR pixels per LR pixel.
        name: what runs the packages, for people.
    """

    @property
    def scale(self) -> float: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    def picture(
        self, source: Path, target: Path, *, passes: int, told: Told, stop: threading.Event
    ) -> tuple[str, ...]:
        """Write the picture in `source`, upscaled `passes` times, to `target` as PNG.

        Returns:
            Notes on what could not be kept, in sentences.
        """
        ...

    def video(self, source: Path, target: Path, *, side: int, told: Told, stop: threading.Event) -> VideoDone:
        """Write the video in `source`, upscaled, to `target` as MP4, no edge longer than `side` pixels."""
        ...

    def session(self, height: int, width: int) -> AbstractContextManager[Session]:
        """A session for frames of that size, with buffers of its own."""
        ...

    def benchmark(self, *, quick: bool, told: Told, stop: threading.Event) -> Mapping[str, Any]:
        """Throughput of this machine in five configurations, as plain data."""
        ...
