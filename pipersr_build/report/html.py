"""The report: one HTML file that needs nothing else, rendered from a record and its pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipersr_build.evidence import Evidence, PackageRecord, Parity, Training
from pipersr_build.report import charts, facts, pictures
from pipersr_build.report import format as fmt
from pipersr_build.report.placement_view import PlacementView, placement_view
from pipersr_build.report.templates import environment

# more pictures than this and a set's rows are folded away under their mean
_ROWS_SHOWN = 14
# a loss that falls by more than this factor is read better on a logarithmic axis
_LOG_RATIO = 5.0


def render_html(evidence: Evidence, folder: Path) -> str:
    """The evidence as one self-contained HTML page.

    The page loads nothing: style, script, charts and pictures are inside it, and its content policy
    forbids the rest. Everything from the record is escaped.

    Args:
        evidence: the record.
        folder: where `evidence.json` lies; the samples' files are relative to it.

    Raises:
        InputError: a sample's picture is missing, unreadable, or outside `folder`.
    """
    page = environment().get_template("template.html")
    return page.render(_context(evidence, folder))


def _context(evidence: Evidence, folder: Path) -> dict[str, Any]:
    return {
        "evidence": evidence,
        "tally": facts.tally(evidence.gates),
        "headline": facts.headline(evidence),
        "difference": difference,
        "groups": facts.quality_groups(evidence),
        "samples": [pictures.load(sample, folder) for sample in evidence.samples],
        "packages": [_package(record, index) for index, record in enumerate(evidence.packages, 1)],
        "training_charts": _training_charts(evidence),
        "hidden_points": _hidden_points(evidence),
        "config": json.dumps(evidence.config, indent=2, ensure_ascii=False, default=str),
        "rows_shown": _ROWS_SHOWN,
        "not_measured": fmt.NOT_MEASURED,
        "not_recorded": fmt.NOT_RECORDED,
    }


def difference(parity: Parity, contract: str) -> str:
    """A parity row's largest difference, in 8-bit levels for images and [0, 1] units for tensors."""
    if contract == "image":
        return fmt.quantity(parity.max_abs, "levels of 255")
    return fmt.with_unit(fmt.scientific(parity.max_abs), "of 1")


@dataclass(frozen=True)
class PackageView:
    """A package, and the two answers about its placement: by rules, and Core ML's own."""

    record: PackageRecord
    total: int
    placements: tuple[PlacementView, ...]


def _package(record: PackageRecord, index: int) -> PackageView:
    answers = {"Placement": record.placement, "Core ML's compute plan": record.compute_plan}
    views = [
        placement_view(title, placement, f"package-{index}-strip-{number}")
        for number, (title, placement) in enumerate(answers.items(), 1)
    ]
    return PackageView(record, sum(record.census.values()), tuple(views))


def _training_charts(evidence: Evidence) -> list[Markup]:
    if evidence.training is None:
        return []
    level = facts.bicubic_level(evidence)
    drawn = [_loss_chart(evidence.training), _held_out_chart(evidence.training, level)]
    return [Markup(svg) for svg in drawn if svg]  # safe: the charts escape their text


def _loss_chart(training: Training) -> str:
    points = [(float(point.step), point.loss) for point in training.curve]
    if not points:
        return ""
    losses = [loss for _, loss in points]
    log = min(losses) > 0 and max(losses) / min(losses) > _LOG_RATIO
    first, last = training.curve[0], training.curve[-1]
    return charts.line_chart(
        points,
        key="loss",
        title="Training loss",
        description=f"From {first.loss:.4g} at step {first.step:,} to {last.loss:.4g} at step {last.step:,}.",
        x_label="step",
        y_label="log scale" if log else "",
        log_y=log,
    )


def _held_out_chart(training: Training, level: float | None) -> str:
    points = facts.held_out_points(training, level)
    if not points:
        return ""
    line = None if level is None else charts.Level(level, f"bicubic {fmt.decibels(level)}")
    last = training.validation[-1]
    against = f", bicubic {fmt.decibels(level)}" if level is not None else ""
    return charts.line_chart(
        points,
        key="held-out",
        title="PSNR on held-out pictures",
        description=f"{fmt.decibels(last.psnr)} at step {last.step:,}{against}.",
        x_label="step",
        y_label="dB",
        level=line,
        marks=True,
    )


def _hidden_points(evidence: Evidence) -> int:
    """How many held-out points are too low to be drawn."""
    if evidence.training is None:
        return 0
    drawn = facts.held_out_points(evidence.training, facts.bicubic_level(evidence))
    return len(evidence.training.validation) - len(drawn)
