"""Render the documents' tables from records: `python -m pipersr_build.report.documents`.

A table stands between `<!-- record: NAME -->` and `<!-- end -->`; nothing between them is written by hand.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipersr_build import files
from pipersr_build.benchmark import (
    ablation,
    comparison_record,
    compression_record,
    controls_record,
    formats,
    latency,
    latency_tables,
    numerics_record,
    packages_record,
    quantization_record,
    record,
    zoo,
)
from pipersr_build.evaluation import record as evaluations
from pipersr_build.evidence import Provenance, Quality, Training
from pipersr_build.placement import agreement
from pipersr_build.report import coverage_record
from pipersr_build.report.latency_plot import roofline_plot

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDS = ROOT / "pipersr_build" / "benchmark" / "records"
WEIGHTS = ROOT / "weights"
REFERENCE = "pipersr_2x"
HEADLINE = "y_float"  # the protocol of the literature


def documents() -> list[Path]:
    """The files that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def render(text: str) -> str:
    """Return a document with every record's table as the records say."""

    def replace(match: re.Match[str]) -> str:
        return f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}"

    return re.sub(r"(<!-- record: (\w+) -->)\n.*?(<!-- end -->)", replace, text, flags=re.DOTALL)


def bench_table(name: str) -> str:
    """The latest benchmark record of that name as a Markdown table."""
    found = record.load(RECORDS / f"{name}.json")
    rows = [f"| {f.name} | {f.value:.3f} {f.unit} | {f.bound} | {f.detail} |" for f in found.figures]
    return "\n".join(
        ["| figure | measured | limit | detail |", "|---|---:|---:|---|", *rows, "", _where(found.provenance)]
    )


def ablation_table() -> str:
    """What each training option is worth."""
    return ablation.table(ablation.load_record(RECORDS / "ablation.json"))


def agreement_table() -> str:
    """Predicted placement against what Core ML decided."""
    found = agreement.load(RECORDS / "agreement.json")
    return f"{agreement.table(found)}\n\n{_where(found.provenance)}"


def quality_table() -> str:
    """The reference weights' package, read back from disk, beside bicubic and the published network."""
    found = evaluations.load(WEIGHTS / f"{REFERENCE}.quality.json")
    rows = _packages_quality(found)
    return _quality_table(
        found, [(f"{row.dataset}, {row.protocol}", row) for row in rows], "test set, protocol"
    )


def quality_summary() -> str:
    """The same under the first protocol alone, for the README."""
    found = evaluations.load(WEIGHTS / f"{REFERENCE}.quality.json")
    rows = [(row.dataset, row) for row in _packages_quality(found) if row.protocol == HEADLINE]
    return _quality_table(found, rows, f"test set, {HEADLINE}")


def _packages_quality(found: evaluations.Evaluation) -> list[Quality]:
    kinds = {subject.name: subject.kind for subject in found.subjects}
    return [row for row in found.quality if kinds[row.subject] == "package"]


def _quality_table(found: evaluations.Evaluation, rows: list[tuple[str, Quality]], head: str) -> str:
    """Rows of a package beside bicubic's of the same pictures and protocol, and the published network's."""
    kinds = {subject.name: subject.kind for subject in found.subjects}
    lines = [f"| {head} | bicubic | published PiperSR | this package | above published |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    for name, row in rows:
        same = [q for q in found.quality if (q.dataset, q.protocol) == (row.dataset, row.protocol)]
        bicubic = next(q for q in same if kinds[q.subject] == "bicubic")
        ours = (row.subject, row.dataset, row.protocol)
        known = next((d for d in found.against_published if _of(d) == ours), None)
        published = _score(known.published_psnr, known.published_ssim) if known else "–"
        lines.append(
            f"| {name} | {_score(bicubic.mean_psnr, bicubic.mean_ssim)} | {published} "
            f"| **{_score(row.mean_psnr, row.mean_ssim)}** | {f'{known.psnr:+.3f} dB' if known else '–'} |"
        )
    return "\n".join([*lines, "", f"PSNR in dB / SSIM. {_where(found.provenance)}"])


def training_table() -> str:
    """How the reference weights came to be, part by part."""
    text = (WEIGHTS / f"{REFERENCE}.training.json").read_text()
    parts = Training.model_validate_json(text).parts
    lines = ["| part | steps (kept) | batch x patch | loss | optimiser, schedule | form | hours | held-out |",
             "|---|---:|---|---|---|---|---:|---:|"]  # fmt: skip
    for number, p in enumerate(parts, start=1):
        kept = f"{p.chosen_psnr:.3f} dB" if p.chosen_psnr is not None else "–"
        lines.append(
            f"| {number} | {p.steps:,} ({p.chosen_step:,}) | {p.batch} x {p.patch}² | {p.loss} "
            f"| {p.optimizer}, {p.schedule} | {p.form} | {p.seconds / 3600:.2f} | {kept} |"
        )
    legs = sum(len(p.legs) for p in parts)
    last = parts[-1]
    return "\n".join([
        *lines, "",
        f"{last.device}, {last.threads} thread, {last.precision}; {legs} legs; corpus SHA-256 "
        f"`{last.corpus_sha256[:16]}`, {len(last.train_images)} training and {len(last.holdout_images)} "
        f"held-out pictures; protocol {last.protocol}.",
    ])  # fmt: skip


def quantization_table() -> str:
    """What 8 bits cost networks with and without identity initialisation and ReLU1."""
    return quantization_record.table(quantization_record.load(RECORDS / "quantization.json"))


def compression_table() -> str:
    """What fewer bits cost the reference weights; as long as there is no record, how to make one."""
    path = RECORDS / "compression.json"
    if not path.is_file():
        return compression_record.not_measured()
    return compression_record.table(compression_record.load(path))


def controls_table() -> str:
    """The negative controls beside PiperSR, and what others claim of each change."""
    return controls_record.table(controls_record.load())


def coverage_table() -> str:
    """What the tests run; as long as there is no record, how to make one."""
    path = RECORDS / "coverage.json"
    if not path.is_file():
        return coverage_record.not_measured()
    found = coverage_record.load(path)
    return f"{coverage_record.table(found)}\n\ncoverage {found.coverage}; {_where(found.provenance)}"


def packages_table() -> str:
    """How fast packages of the reference weights are in the five configurations."""
    return packages_record.table(packages_record.load(RECORDS / "packages.json"))


def zoo_table() -> str:
    """Which architectures of others come through, and what stands in the way of the rest."""
    found = zoo.load_record(RECORDS / "zoo.json")
    where = f"spandrel {found.spandrel}, chip {found.chip}, target {found.target}; {_where(found.provenance)}"
    return f"{zoo.table(found)}\n\n{where}"


def formats_table() -> str:
    """Which networks come through as ONNX files and Core AI models; without a record, how to make one."""
    path = RECORDS / "formats.json"
    if not path.is_file():
        return formats.NOT_MEASURED
    found = formats.load(path)
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return f"{formats.table(found)}\n\n{versions}; {_where(found.provenance)}"


def comparison_table() -> str:
    """Networks trained alike with their plot; as long as there is no record, how to make one."""
    if not comparison_record.SHIPPED.is_file():
        return comparison_record.not_measured()
    found = comparison_record.load(comparison_record.SHIPPED)
    return f"![{comparison_record.title(found)}](../family.svg)\n\n{comparison_record.table(found)}"


def comparison_picture() -> str:
    """The plot of that comparison alone, for the README."""
    if not comparison_record.SHIPPED.is_file():
        return comparison_record.not_measured()
    title = comparison_record.title(comparison_record.load(comparison_record.SHIPPED))
    return f"[![{title}](docs/family.svg)](docs/explanation/family.md)"


def comparison_plot() -> str:
    """The plot of that comparison, as SVG."""
    return comparison_record.plot(comparison_record.load(comparison_record.SHIPPED))


def numerics_table() -> str:
    """What the engine's arithmetic may cost, simulated; as long as there is no record, how to make one."""
    path = RECORDS / "numerics.json"
    if not path.is_file():
        return numerics_record.not_measured()
    return numerics_record.table(numerics_record.load(path))


def margin_table() -> str:
    """How far the reference weights' layers stay from the end of the engine's sums."""
    path = RECORDS / "numerics.json"
    if not path.is_file():
        return numerics_record.not_measured()
    return numerics_record.margin_table(numerics_record.load(path))


def latency_table() -> str:
    """The latency estimate beside every published figure."""
    found = latency.load_record(RECORDS / "latency.json")
    return f"{latency_tables.table(found)}\n\n{_where(found.provenance)}"


def claim_table() -> str:
    """The claim that the engine is bound by memory, case by case."""
    return latency_tables.claim_table(latency.load_record(RECORDS / "latency.json"))


def latency_plot() -> str:
    """The roofline of that claim, as SVG."""
    return roofline_plot(latency.load_record(RECORDS / "latency.json").roofline)


def _of(row: evaluations.Difference) -> tuple[str, str, str]:
    return row.subject, row.dataset, row.protocol


def _score(psnr: float, ssim: float | None) -> str:
    return f"{psnr:.3f}" + (f" / {ssim:.4f}" if ssim is not None else "")


def _where(made: Provenance) -> str:
    machine = f"{made.machine.processor}, {made.machine.cores} cores, {made.machine.system}"
    versions = f"Python {made.python}, torch {made.torch}, coremltools {made.coremltools}"
    return f"{made.created[:10]}, {machine}; {versions}; commit {(made.git_commit or 'unknown')[:10]}."


TABLES: dict[str, Callable[[], str]] = {
    "bench": partial(bench_table, "bench"),
    "interpreter": partial(bench_table, "interpreter"),
    "interpreter_avx512": partial(bench_table, "interpreter_avx512"),
    "step": partial(bench_table, "step"),
    "packages": packages_table,
    "pipeline": partial(bench_table, "pipeline"),
    "ablation": ablation_table,
    "agreement": agreement_table,
    "comparison": comparison_table,
    "comparison_picture": comparison_picture,
    "compression": compression_table,
    "controls": controls_table,
    "coverage": coverage_table,
    "formats": formats_table,
    "latency": latency_table,
    "numerics": numerics_table,
    "numerics_margins": margin_table,
    "quantization": quantization_table,
    "zoo": zoo_table,
    "latency_claim": claim_table,
    "reference_quality": quality_table,
    "reference_summary": quality_summary,
    "reference_training": training_table,
}
PLOTS: dict[str, Callable[[], str]] = {"docs/latency.svg": latency_plot}
if comparison_record.SHIPPED.is_file():
    PLOTS["docs/family.svg"] = comparison_plot

if __name__ == "__main__":
    for name, draw in PLOTS.items():
        files.write_text(ROOT / name, draw())
    for document in documents():
        files.write_text(document, render(document.read_text()))
