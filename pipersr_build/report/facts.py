"""What a record says, worked out once, so that report, card and terminal say the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipersr_build.evidence import (
    CensusComparison,
    Evidence,
    FileRecord,
    Gate,
    ImageQuality,
    PackageRecord,
    Quality,
    Training,
)
from pipersr_build.report import format as fmt

_BICUBIC = "bicubic"
# dB below bicubic, or below the best point where bicubic is not known, under which a held-out point
# is left off the chart: the first steps of a network that starts from noise would otherwise press
# everything that matters into the top of it
_BELOW_BICUBIC = 4.0
_BELOW_BEST = 8.0


@dataclass(frozen=True)
class Tally:
    """Gates by verdict; a prediction that passes is never counted as a measurement."""

    total: int
    passed: int
    passed_predicted: int
    failed: int
    unknown: int
    not_measured: int


def tally(gates: Sequence[Gate]) -> Tally:
    """Count the gates by verdict."""
    verdicts = Counter(gate.verdict for gate in gates)
    predicted = sum(gate.verdict == "pass" and gate.source == "predicted" for gate in gates)
    return Tally(
        total=len(gates),
        passed=verdicts["pass"] - predicted,
        passed_predicted=predicted,
        failed=verdicts["fail"],
        unknown=verdicts["unknown"],
        not_measured=verdicts["not measured"],
    )


def summary(counts: Tally) -> str:
    """The tally as a sentence: `7 passed, 2 passed (predicted), 0 failed, 1 not measured`."""
    parts = [f"{counts.passed} passed"]
    parts += [f"{counts.passed_predicted} passed (predicted)"] * bool(counts.passed_predicted)
    parts.append(f"{counts.failed} failed")
    parts += [f"{counts.unknown} unknown"] * bool(counts.unknown)
    parts += [f"{counts.not_measured} {fmt.NOT_MEASURED}"] * bool(counts.not_measured)
    return ", ".join(parts)


def verdict_label(gate: Gate) -> str:
    """The verdict in words: `pass`, `pass (predicted)`, `fail`, `unknown (predicted)`, `not measured`."""
    predicted = gate.source == "predicted" and gate.verdict != "not measured"
    return f"{gate.verdict} (predicted)" if predicted else gate.verdict


def value_label(gate: Gate) -> str:
    """The gate's value with its unit, or the word for its absence."""
    if gate.value is None:
        return "unknown" if gate.verdict == "unknown" else fmt.NOT_MEASURED
    return fmt.quantity(gate.value, gate.unit, against=gate.threshold)


def subject_label(gate: Gate) -> str:
    """What the gate is asked of, without the ending of packages: `video_bundle:upscale_360p`."""
    return gate.subject.replace(".mlpackage", "")


def threshold_label(gate: Gate) -> str:
    """The gate's threshold with its sense and unit."""
    return fmt.threshold(gate.threshold, gate.unit, gate.direction)


def miss_label(gate: Gate) -> str:
    """By how much a failed gate misses its threshold, empty where no value is known."""
    if gate.value is None:
        return ""
    return fmt.quantity(abs(gate.threshold - gate.value), gate.unit, against=0.0)


def missing_commands(gates: Iterable[Gate]) -> list[str]:
    """The distinct commands that would measure what is not measured, in the gates' order."""
    return list(dict.fromkeys(gate.command for gate in gates if gate.verdict == "not measured"))


@dataclass(frozen=True)
class QualityGroup:
    """Scores that may be compared: one dataset, one protocol, one scale."""

    dataset: str
    protocol: str
    scale: float
    rows: tuple[Quality, ...]

    @property
    def reference(self) -> Quality | None:
        """Bicubic's row, if there is one."""
        return next((row for row in self.rows if row.subject.casefold() == _BICUBIC), None)

    @property
    def images(self) -> list[str]:
        """Every picture of any row, in order of first appearance."""
        return list(dict.fromkeys(score.image for row in self.rows for score in row.images))

    def scores(self, image: str) -> list[ImageQuality | None]:
        """One picture's scores, one per row; None where a row does not have it."""
        return [next((s for s in row.images if s.image == image), None) for row in self.rows]

    @property
    def losses(self) -> bool:
        """Whether there are packages of fewer bits, which lost something."""
        return any(row.lost_db is not None for row in self.rows)

    def gain(self, row: Quality) -> float | None:
        """Mean PSNR above bicubic in dB; None for bicubic itself or if the pictures differ."""
        reference = self.reference
        if reference is None or row is reference or not same_pictures(_names(row), _names(reference)):
            return None
        return row.mean_psnr - reference.mean_psnr


def quality_groups(evidence: Evidence) -> list[QualityGroup]:
    """The quality records grouped by dataset, protocol and scale, in the record's order."""
    groups: dict[tuple[str, str, float], list[Quality]] = {}
    for row in evidence.quality:
        groups.setdefault((row.dataset, row.protocol, row.scale), []).append(row)
    return [QualityGroup(*key, rows=tuple(rows)) for key, rows in groups.items()]


@dataclass(frozen=True)
class Headline:
    """The one quality figure that stands at the top."""

    group: QualityGroup
    ours: Quality
    gain: float | None


def headline(evidence: Evidence) -> Headline | None:
    """Our mean PSNR where it can best be judged; None if nothing of ours was scored.

    Preferred is the dataset of training's held-out pictures, then any that bicubic was scored on too.
    """
    held_out = evidence.training.holdout_images if evidence.training else []
    scored = [
        Headline(group, ours, group.gain(ours))
        for group in quality_groups(evidence)
        if (ours := _ours(group, evidence))
    ]

    def rank(item: Headline) -> tuple[bool, bool]:
        return item.gain is None, not same_pictures(held_out, _names(item.ours))

    return min(scored, key=rank, default=None)


def _ours(group: QualityGroup, evidence: Evidence) -> Quality | None:
    """Our row: that of a package if there is one (a package is judged, not its checkpoint)."""
    rows = [row for row in group.rows if row is not group.reference]
    packages = {package.file for package in evidence.packages}
    named = [row for row in rows if row.subject in packages]
    return next(iter(named + rows), None)


def latency_headline(evidence: Evidence) -> PackageRecord | None:
    """The package whose predicted latency stands at the top: the first for video, else the first."""
    known = [p for p in evidence.packages if p.placement is not None and p.placement.latency is not None]
    return next((p for p in known if p.contract == "video"), next(iter(known), None))


def same_pictures(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether two lists name the same pictures, folders and file endings aside."""
    stems = [{PurePosixPath(name).stem for name in names} for names in (first, second)]
    return bool(stems[0]) and stems[0] == stems[1]


def _names(row: Quality) -> list[str]:
    return [score.image for score in row.images]


def bicubic_level(evidence: Evidence) -> float | None:
    """Bicubic's mean PSNR on training's held-out pictures under its protocol; None if not recorded."""
    training = evidence.training
    if training is None:
        return None
    for row in evidence.quality:
        is_reference = row.subject.casefold() == _BICUBIC and row.protocol == training.protocol
        if is_reference and same_pictures(_names(row), training.holdout_images):
            return row.mean_psnr
    return None


def held_out_points(training: Training, level: float | None) -> list[tuple[float, float]]:
    """The held-out curve without the points that are far too low (see `_BELOW_BICUBIC`)."""
    points = [(float(point.step), point.psnr) for point in training.validation]
    best = max((psnr for _, psnr in points), default=0.0)
    floor = best - _BELOW_BEST if level is None else level - _BELOW_BICUBIC
    return [point for point in points if point[1] >= floor] or points


def worst_parity(record: FileRecord) -> str:
    """The least agreement with PyTorch over all inputs of a file, or the word for its absence."""
    if not record.parity:
        return fmt.NOT_MEASURED
    values = [one.psnr_db for one in record.parity if one.psnr_db is not None]
    return fmt.decibels(min(values)) if values else "identical"


@dataclass(frozen=True)
class CensusRow:
    """One operation type's count before and after fusion."""

    operation: str
    before: int
    after: int


def census_rows(comparison: CensusComparison) -> list[CensusRow]:
    """One row per operation type, the most frequent before fusion first."""
    before, after = comparison.before, comparison.after
    names = sorted(before.keys() | after.keys(), key=lambda name: (-before.get(name, 0), name))
    return [CensusRow(name, before.get(name, 0), after.get(name, 0)) for name in names]


def flat(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as (name, value) in words, nested names joined with a dot."""
    rows: list[tuple[str, str]] = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{name}.")
        else:
            rows.append((name.replace("_", " "), fmt.plain(value)))
    return rows
