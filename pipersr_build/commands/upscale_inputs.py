"""What `upscale` is to do: which pictures and videos, and the name of each result."""

import os
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

from pipersr_build.config.upscale import UpscaleConfig
from pipersr_build.data.images import FORMATS, list_images
from pipersr_build.errors import InputError
from pipersr_build.progress import say
from pipersr_build.runtime.pictures import SUFFIXES

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv",
          ".flv", ".3gp", ".ogv")  # fmt: skip
# Names of files of kinds that are not written; other words may be the names of folders
_NOT_WRITTEN = (".gif", ".avif", ".heic", ".jxl", ".jp2", ".tga", ".psd")
# How results are called, see `jobs`; and videos that Ctrl-C ended
_RESULT = re.compile(r"(.+)_\d+(?:\.\d+)?x(?:\.partial)?", re.DOTALL)
Kind = Literal["picture", "video"]


@dataclass(frozen=True)
class Job:
    """One source and where its result goes."""

    kind: Kind
    source: Path
    target: Path


def jobs(paths: Sequence[Path], settings: UpscaleConfig, scales: Mapping[Kind, float]) -> list[Job]:
    """The pictures and videos that `paths` name, those in folders too, each with its target.

    Results lie beside their sources, or in `out`, in folders as the sources lie in theirs. `photo.jpg`
    becomes `photo_2x.png`; where several sources would share a name, `photo.jpg_2x.png`. In a folder,
    results of an earlier call are no sources.

    Args:
        paths: files and folders.
        settings: of `upscale`.
        scales: what a picture and a video are enlarged by, for their names.

    Raises:
        InputError: nothing is named, something is not there, a folder holds nothing to upscale, or a result
            would be written over a source.
    """
    if not paths:
        fix = "say: pipersr-build upscale photo.jpg (or a folder, a video, or - for the standard input)"
        raise InputError("nothing to upscale is given", where="command line", fix=fix)
    single = _single_target(paths, settings)
    if single is not None:
        return _checked([Job(_kind(paths[0]), paths[0], single)])
    found = [item for path in _sources(paths, settings) for item in _found(path, settings)]
    names = Counter(_target(item, settings, scales) for item in found)
    made = []
    for item in found:
        target = _target(item, settings, scales)
        if names[target] > 1:
            target = _target(item, settings, scales, whole=True)
        made.append(Job(item[0], item[1], target))
    return _checked(made)


def _sources(paths: Sequence[Path], settings: UpscaleConfig) -> list[Path]:
    """Each path once; a file called like the result of another that is named beside it (`*.png`) is left out.

    Not where results are made again: then it would be written over, which is refused.
    """
    different = list(dict.fromkeys(paths))
    known = {path.parent / name for path in different for name in (path.stem, path.name)}
    results = [path for path in different if not path.is_dir() and _is_result(path, known)]
    if settings.overwrite:
        return different
    for path in results:
        say(f"{path} is left out: it is called like a result of another that is named")
    return [path for path in different if path not in results]


_Found = tuple[Kind, Path, Path]  # its kind, the source, its folder below the one that was named


def _found(path: Path, settings: UpscaleConfig) -> list[_Found]:
    if not path.is_dir():
        return [(_kind(path), path, Path())]
    here = _in_folder(path, settings)
    known = {source.parent / name for source in here for name in (source.stem, source.name)}
    sources = [source for source in here if not _is_result(source, known)]
    return [(_kind_by_name(source), source, source.parent.relative_to(path)) for source in sources]


def _is_result(path: Path, known: Container[Path]) -> bool:
    """Whether it is called like the result of another file of the folder."""
    match = _RESULT.fullmatch(path.stem)
    return match is not None and path.parent / match[1] in known


def _in_folder(folder: Path, settings: UpscaleConfig) -> list[Path]:
    """The pictures and videos below the folder, without those in `out`, sorted."""
    pictures = list_images(folder, [ending.lstrip(".") for ending in VIDEOS])
    if settings.out is None:
        return pictures
    out = _real(Path(settings.out))
    if out == _real(folder):
        return pictures
    return [path for path in pictures if not _real(path).is_relative_to(out)]


def _kind_by_name(path: Path) -> Kind:
    return "video" if path.suffix.lower() in VIDEOS else "picture"


def _kind(path: Path) -> Kind:
    """A picture by its name or its first bytes, else a video."""
    if not path.exists():
        raise InputError("no such picture or video", where=path, fix="check the name")
    if path.suffix.lower() in (*SUFFIXES, *VIDEOS):
        return _kind_by_name(path)
    try:
        Image.open(path, formats=FORMATS).close()
    except UnidentifiedImageError:
        return "video"
    except (OSError, Image.DecompressionBombError):
        return "picture"
    return "picture"


def _single_target(paths: Sequence[Path], settings: UpscaleConfig) -> Path | None:
    """`out`, where it names the file of a single result."""
    if settings.out is None or len(paths) != 1 or paths[0].is_dir():
        return None
    out = Path(settings.out)
    return out if out.suffix.lower() in (*SUFFIXES, *VIDEOS, *_NOT_WRITTEN) and not out.is_dir() else None


def _target(
    item: _Found, settings: UpscaleConfig, scales: Mapping[Kind, float], *, whole: bool = False
) -> Path:
    """Where the result of a source goes; `whole`: with the source's ending in its name."""
    kind, source, within = item
    ending = settings.video.container if kind == "video" else settings.format
    folder = source.parent if settings.out is None else Path(settings.out) / within
    return folder / f"{source.name if whole else source.stem}_{scales[kind]:g}x.{ending}"


def _checked(made: list[Job]) -> list[Job]:
    """Refuse results that would be written over a source or over each other."""
    sources = {_real(job.source) for job in made}
    targets = Counter(_real(job.target) for job in made)
    for job in made:
        if _real(job.target) in sources:
            what = f"the result of {job.source.name} would be written over a source"
            raise InputError(what, where=job.target, fix="give another folder: out=FOLDER")
        if targets[_real(job.target)] > 1:
            what = f"several sources would be written to {job.target.name}"
            raise InputError(what, where=job.target, fix="upscale them in calls of their own, each with out=")
    return made


def _real(path: Path) -> Path:
    """Without links; links in a circle, which `Path.resolve` refuses, are left to who opens them."""
    return Path(os.path.realpath(path))
