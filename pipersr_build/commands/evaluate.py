"""`evaluate`: PSNR and SSIM of packages, weights, checkpoints and bicubic on pictures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from pipersr_build import files, machine
from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import test_sets_of
from pipersr_build.commands.subjects import Subject, open_subjects
from pipersr_build.config import Config, command_line, load, plain
from pipersr_build.evaluation import record
from pipersr_build.evaluation.protocol import protocols_named
from pipersr_build.evaluation.published import BICUBIC, against_published
from pipersr_build.evaluation.testset import TestSet, Upscale, evaluate_under
from pipersr_build.evidence import Quality
from pipersr_build.progress import bar
from pipersr_build.report.quality_plot import quality_plot
from pipersr_build.report.quality_table import pictures_table, summary_table

RECORD, PLOT = "quality.json", "quality.svg"
_FOLDER = "evaluation"  # in `runs`


def main(words: list[str]) -> int:
    """Measure everything that is named, and bicubic beside it, on the configured pictures."""
    paths, overrides = arguments.split(words)
    config = load(overrides)
    paths += [Path(config.weights)] if config.weights else []
    subjects = open_subjects(paths, config.model.scale)
    config.model.scale = subjects[0].record.scale
    sets = test_sets_of(config)
    with place(out_folder(config, paths)) as folder:
        rows = _measure_all(subjects, sets, config)
        found = record.Evaluation(
            provenance=machine.provenance(command_line("evaluate", words)),
            config=plain(config)["evaluation"],
            subjects=[subject.record for subject in subjects],
            pictures=[_pictures(test_set) for test_set in sets],
            quality=rows,
            against_published=against_published(rows),
        )
        _write(found, folder)
    console = Console()
    console.print(summary_table(rows, found.against_published))
    console.print(f"record and plot: {folder / RECORD}, {folder / PLOT}", highlight=False, soft_wrap=True)
    return 0


def measure(method: Upscale, pictures: TestSet, config: Config, subject: str) -> list[Quality]:
    """Quality of one method under each configured protocol, with a progress bar."""
    protocols = protocols_named(config.evaluation.protocol)
    with bar(f"{subject} on {pictures.name}"[:30], len(pictures.pictures)) as shown:

        def progress(done: int, total: int, name: str) -> None:
            del done, total
            shown.advance(note=name)

        return evaluate_under(method, pictures.pictures, protocols, pictures.scale, subject, pictures.name,
                              progress)  # fmt: skip


def out_folder(config: Config, paths: Sequence[Path]) -> Path:
    """Where the record goes: `evaluation.out`, else a folder in `runs` called after the first subject.

    That is its folder and its name without ending: `quickstart-image_128`.
    """
    if config.evaluation.out:
        return Path(config.evaluation.out)
    first = next((path.resolve() for path in paths if str(path) != BICUBIC), None)
    name = BICUBIC if first is None else "-".join(filter(None, (first.parent.name, first.stem)))
    return Path(config.runs) / _FOLDER / name


@contextmanager
def place(folder: Path) -> Iterator[Path]:
    """Make sure before the work that `folder` can be written to; after a failure leave no new folder.

    Raises:
        InputError: it cannot be created or written to.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield files.make_folder(folder)
    except BaseException:
        with suppress(OSError):  # somebody else has put something there
            for path in new:
                path.rmdir()
        raise


def _measure_all(subjects: Sequence[Subject], sets: Sequence[TestSet], config: Config) -> list[Quality]:
    """Every method on every test set; each set's table is printed when it is done."""
    console = Console()
    rows: list[Quality] = []
    for pictures in sets:
        measured = [measure(subject.upscale, pictures, config, subject.name) for subject in subjects]
        for under_one_protocol in zip(*measured, strict=True):
            console.print(pictures_table(under_one_protocol))
            rows += under_one_protocol
    return rows


def _pictures(test_set: TestSet) -> record.Pictures:
    return record.Pictures(
        name=test_set.name, scale=test_set.scale, count=len(test_set.pictures), lr=test_set.lr
    )


def _write(found: record.Evaluation, folder: Path) -> None:
    parameters = {subject.name: subject.parameters for subject in found.subjects}
    drawing = quality_plot(found.quality, parameters)
    record.save(found, folder / RECORD)
    files.write_text(folder / PLOT, drawing)
