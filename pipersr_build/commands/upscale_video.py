"""Videos for `upscale`: one after another, with progress; what Ctrl-C ends gets another name."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pipersr_build.config import Config
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.progress import Bar, bar, say
from pipersr_build.video.outcome import Progress, VideoReport
from pipersr_build.video.upscale import check_target, upscale_video

if TYPE_CHECKING:
    from pipersr_build.commands.upscalers import Upscalers

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main_video(config: Config, jobs: Sequence[tuple[Path, Path]], upscalers: "Upscalers") -> int:
    """Upscale each source to its target.

    Args:
        config: its `upscale.video` is used.
        jobs: (source, target) of each video; the targets' folders are there.
        upscalers: give the session for a frame size.

    Returns:
        0: all are done.

    Raises:
        InputError: a video cannot be used; of several, the others are done first.
        MachineError: there is no encoder.
        InterruptedRunError: the user stopped it; what is written plays, as NAME.partial.
    """
    failed: list[InputError] = []
    for source, target in jobs:
        check_target(source, target, config.upscale.video)
    for source, target in jobs:
        try:
            _one(source, target, config, upscalers)
        except InputError as error:
            if len(jobs) == 1:
                raise
            say(f"error: {error}")
            failed.append(error)
    if failed:
        what = f"{len(failed)} of {len(jobs)} videos could not be upscaled"
        where = ", ".join(str(error.where) for error in failed)
        raise InputError(what, where=where, fix="see the errors above")
    return 0


@contextmanager
def finishing() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or a request to terminate) sets; the second interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # Python allows no handlers there
        yield asked
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one(source: Path, target: Path, config: Config, upscalers: "Upscalers") -> None:
    partial = target.with_stem(f"{target.stem}.partial")
    with finishing() as asked, bar(source.name[:20], 0) as shown:
        report = upscale_video(
            source,
            target,
            upscalers.session,
            scale=upscalers.scale,
            options=config.upscale.video,
            progress=lambda step: _show(shown, step, ", finishing" if asked.is_set() else ""),
            cancelled=asked,
            partial=partial,
        )
    if not report.frames:
        raise InterruptedRunError("interrupted before the first frame; nothing was written")
    _tell(target if report.complete else partial, report)
    if not report.complete:
        what = f"interrupted: {partial.name} ends after {report.frames} frames, and plays"
        raise InterruptedRunError(what, where=partial, fix=f"for all of it, {target.name}: the same command")


def _show(shown: Bar, step: Progress, more: str) -> None:
    """The total comes from the container and may be wrong or missing."""
    shown.set_total(max(step.total or 0, step.frames + step.skipped))
    skipped = f", {step.skipped} skipped" if step.skipped else ""
    shown.advance(note=f"{step.fps:.1f} frames/s{skipped}{more}")


def _tell(target: Path, report: VideoReport) -> None:
    (height, width), (tall, wide) = report.size, report.enlarged
    speed = report.frames / report.seconds
    say(f"{target}: {report.frames} frames, {width}x{height} to {wide}x{tall}, {speed:.1f} frames/s")
    for note in report.notes:
        say(f"  {note}")
