"""`upscale`: pictures and videos, enlarged with a package."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pipersr_build import files
from pipersr_build.commands import arguments
from pipersr_build.commands.upscale_inputs import Job, jobs
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config import Config, load
from pipersr_build.config.upscale import passes_of
from pipersr_build.errors import InputError, MachineError
from pipersr_build.progress import bar, say
from pipersr_build.runtime import pictures
from pipersr_build.runtime.pictures import Picture
from pipersr_build.runtime.upscale_picture import (
    ROUNDED,
    Progress,
    enlarged,
    too_little_memory,
    upscale_picture,
)

STREAM = "-"
_SETTINGS = (
    "package",
    "out",
    "passes",
    "scale",
    "format",
    "quality",
    "overwrite",
    "backend",
    "compute_units",
)
_VIDEO = ("codec", "crf", "preset", "container", "limit", "errors")
SHORT = {
    **{key: f"upscale.{key}" for key in _SETTINGS},
    **{key: f"upscale.video.{key}" for key in _VIDEO},
}


def main(words: list[str]) -> int:
    """Enlarge what is named; results that are there already are kept."""
    words, stream = _without_stream(words)
    paths, overrides = arguments.split(words)
    config = load([arguments.in_full(word, SHORT) for word in overrides])
    if stream:
        return _stream(config, paths)
    settings = config.upscale
    upscalers = Upscalers(settings, config.exports)
    passes = passes_of(settings, upscalers.scale)
    found = jobs(paths, settings, {"picture": upscalers.scale**passes, "video": upscalers.scale})
    if passes != 1:
        _videos_go_once(found, upscalers.scale)
    for folder in {job.target.parent for job in found}:
        files.make_folder(folder)
    wanted = [job for job in found if not _is_there(job, overwrite=settings.overwrite)]
    videos = [job for job in wanted if job.kind == "video"]
    try:
        _pictures([job for job in wanted if job.kind == "picture"], upscalers, passes, config)
    except (InputError, MachineError) as error:
        if videos:
            say(f"error: {error}")
            _videos(videos, upscalers, config)
        raise
    return _videos(videos, upscalers, config) if videos else 0


def _videos_go_once(found: Sequence[Job], scale: float) -> None:
    """Say that videos are enlarged once, where pictures are enlarged more often.

    Raises:
        InputError: there are only videos.
    """
    videos = [job for job in found if job.kind == "video"]
    if len(videos) == len(found):
        fix = f"leave out scale and passes, or enlarge the {scale:g}x video again"
        raise InputError(f"videos are enlarged once, by {scale:g}", where=videos[0].source, fix=fix)
    if videos:
        say(f"passes and scale are for the pictures; videos are enlarged once, by {scale:g}")


def _without_stream(words: list[str]) -> tuple[list[str], bool]:
    """The words without `-`, and whether it was among them; behind `--` it is a file's name."""
    end = words.index("--") if "--" in words else len(words)
    return [word for word in words[:end] if word != STREAM] + words[end:], STREAM in words[:end]


def _is_there(job: Job, *, overwrite: bool) -> bool:
    if overwrite or not job.target.exists():
        return False
    say(f"{job.target} is there (overwrite=true makes it again)")
    return True


def _pictures(todo: Sequence[Job], upscalers: Upscalers, passes: int, config: Config) -> None:
    """Every picture; of several, those that cannot be used are named at the end.

    Raises:
        InputError: a picture cannot be used.
        MachineError: there is too little memory for one.
    """
    failed: list[InputError | MachineError] = []
    if not todo:
        return
    with bar("upscale", len(todo)) as shown:
        for job in todo:

            def tile(done: int, total: int, name: str = job.source.name) -> None:
                shown.advance(0, note=f"{name} {100 * done // total} %")

            error = _attempt(job, upscalers, passes, config, tile)
            if error is not None:
                if len(todo) == 1:
                    raise error
                failed.append(error)
                say(f"error: {error}")
            shown.advance(note=job.target.name)
    if failed:
        what = f"{len(failed)} of {len(todo)} pictures could not be upscaled"
        where = ", ".join(str(error.where) for error in failed[:5]) + (" …" if len(failed) > 5 else "")
        raise type(failed[0])(what, where=where, fix="see the errors above")


def _attempt(
    job: Job, upscalers: Upscalers, passes: int, config: Config, progress: Progress
) -> InputError | MachineError | None:
    """Upscale a picture; what is wrong with it, where that stops no other."""
    try:
        _picture(job, upscalers, passes, config, progress)
    except InputError as error:
        return _named(error, job.source)
    except (MemoryError, MachineError) as error:
        if not isinstance(error.__cause__ or error, MemoryError):
            raise
        return too_little_memory(job.source)
    return None


def _picture(job: Job, upscalers: Upscalers, passes: int, config: Config, progress: Progress) -> None:
    settings = config.upscale
    target_format = pictures.format_of(job.target)
    picture = pictures.read_picture(job.source)
    _check_format(target_format, picture, upscalers, passes, job.target)
    result = upscale_picture(
        picture, upscalers.pictures, passes=passes, progress=progress, deep=upscalers.deep
    )
    del picture
    pictures.write_picture(job.target, result, quality=settings.quality)
    for note in _notes(result, target_format):
        say(f"{job.source.name}: {note}")


def _check_format(
    file_format: str, picture: Picture, upscalers: Upscalers, passes: int, where: object = None
) -> None:
    """Refuse, before the work, a format that cannot hold the enlarged picture."""
    height, width = (enlarged(length, upscalers.scale, passes) for length in picture.size)
    pictures.check_format(file_format, picture, (height, width), where)


def _notes(result: Picture, file_format: str) -> tuple[str, ...]:
    """What to tell of a result; that 16 bits became 8 only once, where the package has rounded already."""
    return result.notes if ROUNDED in result.notes else (*result.notes, *pictures.losses(file_format, result))


def _named(error: InputError, source: Path) -> InputError:
    """The error, with the picture that it is about."""
    return error if error.where is not None else InputError(error.what, where=source, fix=error.fix)


def _stream(config: Config, paths: Sequence[Path]) -> int:
    """The picture of the standard input to the standard output, or to the file that is named.

    Raises:
        InputError: files are named beside it, or the output is a terminal.
    """
    settings = config.upscale
    target = Path(settings.out) if settings.out else None
    if paths:
        raise InputError("- stands alone", where="command line", fix="upscale files in a call of their own")
    _check_open(sys.stdin, "standard input")
    if target is None and _check_open(sys.stdout, "standard output").isatty():
        fix = "say: pipersr-build upscale - <photo.jpg >photo_2x.png, or out=photo_2x.png"
        raise InputError("a picture is not written to a terminal", where="standard output", fix=fix)
    chosen = pictures.SUFFIXES[f".{settings.format}"] if target is None else pictures.format_of(target)
    upscalers = Upscalers(settings, config.exports)
    passes = passes_of(settings, upscalers.scale)
    result = _piped(upscalers, passes, chosen)
    for note in _notes(result, chosen):
        say(note)
    if target is not None:
        pictures.write_picture(target, result, quality=settings.quality)
        return 0
    pictures.write_picture(sys.stdout.buffer, result, file_format=chosen, quality=settings.quality)
    sys.stdout.buffer.flush()
    return 0


def _check_open(stream: TextIO | None, name: str) -> TextIO:
    """The stream, which Python has not where the caller closed it (`<&-`)."""
    if stream is None:
        raise InputError(
            "it is closed", where=name, fix="say: pipersr-build upscale - <photo.jpg >photo_2x.png"
        )
    return stream


def _piped(upscalers: Upscalers, passes: int, file_format: str) -> Picture:
    picture = pictures.read_picture(sys.stdin.buffer)
    _check_format(file_format, picture, upscalers, passes)
    with bar("upscale", 1) as shown:

        def tile(done: int, total: int) -> None:
            shown.set_total(total)
            shown.advance(note="")
            del done

        return upscale_picture(picture, upscalers.pictures, passes=passes, progress=tile, deep=upscalers.deep)


def _videos(videos: Sequence[Job], upscalers: Upscalers, config: Config) -> int:
    from pipersr_build.commands.upscale_video import main_video

    return main_video(config, [(job.source, job.target) for job in videos], upscalers)
