"""Turn a corpus' image files into packs: in parallel, checked, resumable, and only what is missing."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from shutil import disk_usage

from PIL import Image

from pipersr_build.data.contents import Family, Packs, families, job_for, open_packs, pack_names
from pipersr_build.data.making import Done, Job, Recipe, do, fitting
from pipersr_build.data.members import Terms, broken_images, too_small
from pipersr_build.data.packed import Writer, is_unfinished, writing
from pipersr_build.data.sources import Source, Sources
from pipersr_build.errors import InputError, InterruptedRunError, MachineError

Progress = Callable[[int, int, str], None]  # images done, images in all, the one just done


@dataclass
class Outcome:
    """What `prepare` did: images packed now, and those that cannot be read (name and why)."""

    packed: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def prepare(
    sources: Sources,
    folder: Path,
    recipe: Recipe,
    terms: Terms,
    *,
    workers: int | None = None,
    verify: bool = False,
    progress: Progress | None = None,
    checked: Callable[[str], None] | None = None,
) -> Outcome:
    """Pack what is not packed yet.

    Args:
        sources: the image files.
        folder: of the packs.
        recipe: what to make of each image.
        terms: which images may be left out, and how large the others have to be.
        workers: processes; None: one per core; 1: none but this one.
        verify: read the packed pictures back first, and make damaged ones again.
        progress: called after each image.
        checked: called after each packed picture that is read back.

    Raises:
        InputError: an image is too small, the disk is full or too small, or, unless `skip_broken`,
            images cannot be read; all others are packed then.
        InterruptedRunError: Ctrl-C; what was packed is kept.
        MachineError: the system ended a process.
    """
    if not verify and is_prepared(sources, folder, recipe, terms):
        return Outcome(0, _known_broken(families(sources, open_packs(folder, recipe), recipe)))
    with writing(folder, pack_names(recipe), verify=verify, progress=checked) as writers:
        packs = Packs(writers[0].pack, writers[1].pack if len(writers) > 1 else None)
        found = families(sources, packs, recipe)
        lacking = [family for family in found if family.lacks(terms.skip_broken)]
        _check_before(lacking, sources, folder, terms)
        outcome = Outcome(0, _known_broken(found) if terms.skip_broken else {})
        jobs = [job_for(family, packs) for family in lacking]
        _pack(jobs, writers, outcome, workers or _cores(), progress)
    if outcome.broken and not terms.skip_broken:
        raise broken_images(outcome.broken, sources.where)
    return outcome


def is_prepared(sources: Sources, folder: Path, recipe: Recipe, terms: Terms) -> bool:
    """Whether `prepare` has nothing to do."""
    found = families(sources, open_packs(folder, recipe), recipe)
    return not is_unfinished(folder) and not any(family.lacks(terms.skip_broken) for family in found)


def _known_broken(found: Iterable[Family]) -> dict[str, str]:
    return {family.source.name: family.broken for family in found if family.broken}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_before(lacking: list[Family], sources: Sources, folder: Path, terms: Terms) -> None:
    """Find out before the work whether images are too small or the disk is, from the files' first bytes."""
    small, needed = [], 0
    for family in lacking:
        height, width = _size_of(family.source)
        if 0 < min(height, width) < terms.minimum and not terms.skip_small:
            small.append(f"{family.source.name} ({width}x{height})")
        needed += _bytes_of(family, height, width)
    if small:
        raise too_small(small, terms.minimum, sources.where)
    free = disk_usage(folder).free
    if needed > free:
        what = f"the packed corpus needs {_amount(needed)} more, the disk has {_amount(free)} left"
        raise InputError(what, where=folder, fix="free some space or choose another folder: data.root=…")


def _amount(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.2f} MB"


def _size_of(source: Source) -> tuple[int, int]:
    """Height and width as the file's header says, not turned; 0, 0 where it says none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source.path) as image:
                return image.height, image.width
    except Exception:  # what is wrong with the file is said when it is read
        return 0, 0


def _bytes_of(family: Family, height: int, width: int) -> int:
    """What a family will take at most, in bytes; of a packed picture only the rest is still to come."""
    factors = fitting(family.recipe, height, width)
    pictures = (0 if family.pictures else 1) + sum(factor**2 for factor in factors)
    small = 0 if family.recipe.scale is None else (1 + sum(f**2 for f in factors)) / family.recipe.scale**2
    return int(3 * height * width * (pictures + small))


def _pack(
    jobs: list[Job], writers: list[Writer], outcome: Outcome, workers: int, progress: Progress | None
) -> None:
    done = 0
    try:
        with closing(_results(jobs, min(workers, len(jobs)))) as results:
            for result in results:
                _keep(result, writers, outcome)
                done += 1
                if progress is not None:
                    progress(done, len(jobs), result.job.name)
    except KeyboardInterrupt:
        what = f"interrupted after {done} of {len(jobs)} images; they are packed"
        fix = "run the same command again to go on"
        raise InterruptedRunError(what, where=writers[0].pack.pixels.parent, fix=fix) from None
    except BrokenProcessPool as error:
        fix = "run the same command again to go on, with fewer processes: data.workers=1"
        what = f"the system ended a process after {done} of {len(jobs)} images, probably for lack of memory"
        raise MachineError(what, fix=fix) from error


def _keep(result: Done, writers: list[Writer], outcome: Outcome) -> None:
    """Write what is not there yet, and note what is broken."""
    if result.broken:
        outcome.broken[result.job.name] = result.broken
        writers[0].append_broken(result.job.name, result.job.origin, result.broken)
        return
    for made in result.made:
        writer = writers[1] if made.small else writers[0]
        if writer.pack.find(made.name, made.origin) is None:
            writer.append(made.name, made.origin, made.rgb, made.sha256)
    outcome.packed += 1


def _results(jobs: list[Job], workers: int) -> Generator[Done, None, None]:
    """The jobs' results in the jobs' order; never more than a few of them are held."""
    if workers <= 1:
        yield from map(do, jobs)
        return
    # Started afresh, not forked: this process has threads (the progress bar's).
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_follow_parent)
    try:
        left = iter(jobs)
        running: deque[Future[Done]] = deque(pool.submit(do, job) for job in islice(left, 2 * workers))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(do, job) for job in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it even where it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
