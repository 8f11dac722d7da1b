"""PSNR of what is compared, from records alone: nothing is measured here, and nothing guessed."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pipersr_build import evidence, files, models
from pipersr_build.benchmark import comparison_record
from pipersr_build.commands.compare_rows import Subject
from pipersr_build.commands.placing import EVIDENCE
from pipersr_build.config import Config
from pipersr_build.errors import InputError
from pipersr_build.evaluation import record as evaluations
from pipersr_build.evidence import Quality, Training
from pipersr_build.models.reference import reference_weights
from pipersr_build.report.compare_record import Score
from pipersr_build.training.record import read_record


def scores_of(subject: Subject, config: Config) -> list[Score]:
    """What records say of a subject's quality.

    A network that weights come with is scored by these; else by the comparison with equal budgets, if that
    was run. Weights and packages are scored by records that name them by their hash: `evidence.json` or
    `quality.json` beside them, or in the folder where `evaluate` leaves its own.
    """
    if subject.path is not None:
        return _of_file(subject.path, config)
    try:
        return _of_file(reference_weights(subject.model), config)
    except InputError:  # none come with the toolkit
        return list(_compared(subject))


def _of_file(path: Path, config: Config) -> list[Score]:
    sha256 = files.sha256(path)
    training = _trained(path, sha256)
    found = [*_of_evidence(path, sha256), *_of_evaluations(path, sha256, Path(config.runs))]
    unique = {(one.dataset, one.protocol): one for one in reversed(found)}
    return [one.model_copy(update={"training": training}) for one in reversed(unique.values())]


def _trained(path: Path, sha256: str) -> str:
    """How long weights were trained, of all the runs that they went through."""
    record = read_record(path, sha256) if path.is_file() else None
    return "" if record is None else f"{_steps(record):,} steps"


def _steps(record: Training) -> int:
    return record.steps + (_steps(record.before) if record.before is not None else 0)


def _of_evidence(path: Path, sha256: str) -> Iterator[Score]:
    """Scores of the export that a package or weights lie in, if it is of these."""
    place = path.parent / EVIDENCE
    if not place.is_file():
        return
    known = evidence.load(place)
    packages = {package.file: package.sha256 for package in known.packages}
    for row in known.quality:
        if row.subject in packages and sha256 in (known.weights_sha256, packages[row.subject]):
            yield _score(row, f"{path.parent.name}/{place.name}")


def _of_evaluations(path: Path, sha256: str, runs: Path) -> Iterator[Score]:
    """Scores of records that `evaluate` left; of the shipped weights also those of their package."""
    beside = path.with_suffix(".quality.json")
    for place in (beside, path.with_name("quality.json"), *sorted(runs.glob("evaluation/*/quality.json"))):
        if not place.is_file():
            continue
        found = evaluations.load(place)
        of = {subject.name: subject for subject in found.subjects}
        if sha256 in (subject.sha256 for subject in of.values()):
            packages = place == beside  # that record is of these weights and their package
            rows = sorted(found.quality, key=lambda row: of[row.subject].kind != "package")
            for row in rows:
                subject = of[row.subject]
                if subject.sha256 == sha256 or (packages and subject.kind == "package"):
                    yield _score(row, f"{place.parent.name}/{place.name}")


def _score(row: Quality, origin: str) -> Score:
    return Score(
        dataset=row.dataset,
        protocol=row.protocol,
        psnr=row.mean_psnr,
        ssim=row.mean_ssim,
        subject=row.subject,
        origin=origin,
    )


def _compared(subject: Subject) -> Sequence[Score]:
    """Scores of the shipped record of networks that were trained alike."""
    found = _shipped()
    rows = found.rows if found is not None else []
    same = (r for r in rows if r.row.name == subject.name and r.model == models.describe(subject.model))
    row = next(same, None)
    return row.row.measured if row is not None else []


@cache
def _shipped() -> comparison_record.EqualBudget | None:
    path = comparison_record.SHIPPED
    return comparison_record.load(path) if path.is_file() else None
