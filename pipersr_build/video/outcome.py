"""What is told while a video is upscaled, and afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a video is: `frames` written, of `total` where the file says so, in `seconds`."""

    frames: int
    total: int | None
    skipped: int
    seconds: float

    @property
    def fps(self) -> float:
        """Frames per second so far; 0 before there is one."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds that are left at this pace; None where the total is not known."""
        if self.total is None or not self.frames:
            return None
        return max(0, self.total - self.frames - self.skipped) / self.fps if self.fps else None


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    Args:
        frames: written; 0 only where it was cancelled before the first, and then there is no file.
        skipped: frames that were left out: corrupt ones, and those that had become far too large.
        seconds: it took.
        size: (height, width) of the source's frames.
        enlarged: (height, width) of the frames that were written.
        complete: False where it was cancelled; what is written plays.
        dropped: streams that the container cannot hold, by name.
        notes: what else the user should know, in sentences.
        stages: of the frame session: seconds and counts per stage.
    """

    frames: int
    skipped: int
    seconds: float
    size: tuple[int, int]
    enlarged: tuple[int, int]
    complete: bool = True
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stages: Mapping[str, Any] = field(default_factory=dict)
