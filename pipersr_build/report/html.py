"""The report: one HTML file that needs nothing else, rendered from a record and its pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipersr_build.evidence import Evidence, PackageRecord, Parity
from pipersr_build.report import facts, pictures
from pipersr_build.report import format as fmt
from pipersr_build.report.figures_view import figures_of
from pipersr_build.report.gate_matrix import gate_matrix
from pipersr_build.report.placement_view import PlacementView, placement_view
from pipersr_build.report.templates import environment, text_of
from pipersr_build.report.training_view import hidden_points, training_charts

# more pictures than this and a set's rows are folded away under their mean
_ROWS_SHOWN = 14
# the page's sections in order: their names, which are those of their templates, and their titles
SECTIONS = {
    "gates": "Gates",
    "samples": "Pictures",
    "quality": "Quality",
    "latency": "Latency",
    "graph": "Graph",
    "activations": "Numbers",
    "training": "Training",
    "network": "Network",
    "packages": "Packages",
    "formats": "Other formats",
    "provenance": "Provenance",
}


def render_html(evidence: Evidence, folder: Path) -> str:
    """The evidence as one self-contained HTML page.

    The page loads nothing: style, script, charts and pictures are inside it, and its content policy
    allows just this style and this script, by their hashes. Everything from the record is escaped.

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
        "training_charts": training_charts(evidence),
        "hidden_points": hidden_points(evidence),
        "config": json.dumps(evidence.config, indent=2, ensure_ascii=False, default=str),
        "rows_shown": _ROWS_SHOWN,
        "matrix": gate_matrix(evidence.gates),
        "figures": figures_of(evidence),
        "sections": [item for item in SECTIONS.items() if evidence.files or item[0] != "formats"],
        "style": text_of("style.css"),
        "script": text_of("script.js"),
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
