"""What the service and the MCP server work with: the packages that `upscale` would use."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config import Config
from pipersr_build.errors import InputError
from pipersr_build.runtime.pictures import write_picture
from pipersr_build.runtime.upscale_picture import upscale_picture
from pipersr_build.service.engine import Step, Told, VideoDone

if TYPE_CHECKING:
    from pipersr_build.runtime.pipeline import FrameSession
    from pipersr_build.video.outcome import Progress


class PackageEngine:
    """Enlarges with the packages that the configuration names; see `service.engine.Engine`.

    Pictures, videos and streams may be at work at the same time, so each has upscalers of its own.

    Args:
        config: checked.

    Raises:
        InputError: no package can be opened.
        MachineError: the back end that is asked for needs another machine.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pictures, self._videos, self._streams = (
            Upscalers(config.upscale, config.exports) for _ in range(3)
        )
        self._opening = threading.Lock()
        self.scale: float = self._pictures.scale
        self.name: str = self._pictures.pictures.backend.name

    def picture(
        self, source: Path, target: Path, *, passes: int, told: Told, stop: threading.Event
    ) -> tuple[str, ...]:
        """See `Engine`."""
        side = self._config.serve.image_side
        result = upscale_picture(
            source,
            self._pictures.pictures,
            passes=passes,
            progress=lambda done, total: told(Step(done, total)),
            cancelled=stop,
            deep=self._pictures.deep,
            largest=side,
            largest_output=side,
        )
        write_picture(target, result, file_format="PNG")
        return result.notes

    def video(self, source: Path, target: Path, *, side: int, told: Told, stop: threading.Event) -> VideoDone:
        """See `Engine`."""
        from pipersr_build.video.upscale import upscale_video

        options = replace(self._config.upscale.video, codec="h264", container="mp4", limit=side)
        report = upscale_video(
            source,
            target,
            self._videos.session,
            scale=self.scale,
            options=options,
            progress=lambda progress: told(_step(progress)),
            cancelled=stop,
        )
        if not report.frames:
            raise InputError("the video was stopped before its first frame")
        return VideoDone(report.frames, report.skipped, report.seconds, report.notes)

    def session(self, height: int, width: int) -> AbstractContextManager["FrameSession"]:
        """See `Engine`."""
        with self._opening:
            return self._streams.session(height, width)

    def benchmark(self, *, quick: bool, told: Told, stop: threading.Event) -> Mapping[str, Any]:
        """See `Engine`."""
        from pipersr_build.commands.service_benchmark import measure

        upscalers = Upscalers(self._config.upscale, self._config.exports)
        return measure(upscalers, quick=quick, told=told, stop=stop)


def _step(progress: "Progress") -> Step:
    return Step(progress.frames, progress.total, progress.fps, progress.remaining)
