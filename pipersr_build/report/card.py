"""The model card, in Hugging Face's format, rendered from the record alone."""

from pipersr_build.evidence import Evidence, FileRecord, Gate, PackageRecord, Placement, Training
from pipersr_build.report import facts, snippets
from pipersr_build.report import format as fmt
from pipersr_build.report.facts import QualityGroup
from pipersr_build.report.markdown import bullets, code, fenced, table, text
from pipersr_build.report.placement_facts import placement_summary

# `datasets:` is left out: it takes the Hub's identifiers, and a record names its corpus in words
_FRONT_MATTER = """\
---
license: apache-2.0
library_name: coreml
pipeline_tag: image-to-image
tags:
  - super-resolution
  - image-upscaling
  - coreml
  - apple-neural-engine
---"""


def render_card(evidence: Evidence) -> str:
    """MODEL_CARD.md of an export: front matter, then what is known, section by section."""
    sections = {
        "Network": _network(evidence),
        "Packages": _packages(evidence.packages),
        **({"Other formats": _files(evidence.files)} if evidence.files else {}),
        "Quality": _quality(evidence),
        "Gates": _gates(evidence.gates),
        "How to use": _use(evidence),
        "Limitations": _limitations(evidence),
        "Training": _training(evidence.training),
        "Provenance": _provenance(evidence),
    }
    parts = [_FRONT_MATTER, f"# {text(evidence.name)}", *_opening(evidence)]
    parts += [part for title, body in sections.items() for part in (f"## {title}", *body)]
    return "\n\n".join(parts) + "\n"


def _opening(evidence: Evidence) -> list[str]:
    contracts = " and ".join(dict.fromkeys(package.kind for package in evidence.packages))
    what = f"Core ML packages ({contracts}) for" if contracts else "The record of"
    parts = [
        f"{what} image super-resolution, with the evidence of what was checked and what was not. "
        "Every number here is rendered from `evidence.json`."
    ]
    if evidence.failed:
        failed = [
            f"{text(g.name)}, {text(g.subject)}: {_value(g)}, asked {_asked(g)}" for g in evidence.failed
        ]
        parts += [f"**{len(evidence.failed)} of {len(evidence.gates)} gates failed:**", bullets(failed)]
    return parts


def _network(evidence: Evidence) -> list[str]:
    rows = [[text(name), text(value)] for name, value in facts.flat(evidence.model)]
    fusion = evidence.fusion
    if fusion is not None:
        rows += [
            ["parameters as trained", fmt.count(fusion.parameters_before)],
            ["parameters after fusion", fmt.count(fusion.parameters_after)],
            ["batch normalisations folded", fmt.count(fusion.batch_norms_folded)],
            ["largest difference after fusion, float64", fmt.scientific(fusion.max_abs_error)],
        ]
    parts = [table(["fact", "value"], rows)] if rows else [f"Facts: {fmt.NOT_RECORDED}."]
    for census in evidence.censuses:
        counts = [
            [code(r.operation), fmt.count(r.before), fmt.count(r.after)] for r in facts.census_rows(census)
        ]
        totals = [fmt.count(sum(side.values())) for side in (census.before, census.after)]
        parts += [
            f"Core ML operations before and after fusion, {text(census.io)} (constants not counted):",
            table(["operation", "before", "after"], [*counts, ["**total**", *totals]], right=(1, 2)),
        ]
    return parts


def _packages(packages: list[PackageRecord]) -> list[str]:
    if not packages:
        return ["No package is recorded."]
    header = ["file", "contract", "input", "output", "target", "size", "operations", "SHA-256"]
    rows = [
        [
            code(p.label),
            p.kind,
            text(p.input),
            text(p.output),
            text(p.target),
            fmt.megabytes(p.bytes),
            fmt.count(sum(p.census.values())),
            code(fmt.short_hash(p.sha256)),
        ]
        for p in packages
    ]
    return [table(header, rows, right=(5, 6))]


def _files(records: list[FileRecord]) -> list[str]:
    header = ["file", "contract", "input", "output", "asks", "size", "operations", "least PSNR", "SHA-256"]
    rows = [
        [
            code(one.file),
            one.kind,
            text(one.input),
            text(one.output),
            text(one.runtime),
            fmt.megabytes(one.bytes),
            fmt.count(sum(one.census.values())),
            text(facts.worst_parity(one)),
            code(fmt.short_hash(one.sha256)),
        ]
        for one in records
    ]
    note = "The PSNR is the least against PyTorch; the report says on which inputs, and run by what."
    return [table(header, rows, right=(5, 6, 7)), note]


def _quality(evidence: Evidence) -> list[str]:
    groups = facts.quality_groups(evidence)
    if not groups:
        return [f"Quality: {fmt.NOT_MEASURED}."]
    header = ["dataset", "scale", "protocol", "pictures", "method", "PSNR", "SSIM", "against bicubic"]
    rows = [cells for group in groups for cells in _quality_rows(group)]
    if any(group.losses for group in groups):
        header.append("lost to fewer bits")
        shown = (row for group in groups for row in group.rows)
        for cells, row in zip(rows, shown, strict=True):
            cells.append("–" if row.lost_db is None else fmt.decibels(row.lost_db, 3))
    note = (
        "Means over the pictures. A figure holds for its protocol only; per-picture values are in the record."
    )
    return [table(header, rows, right=(3, *range(5, len(header)))), note]


def _quality_rows(group: QualityGroup) -> list[list[str]]:
    rows = []
    for row in group.rows:
        gain = group.gain(row)
        scores = [
            fmt.decibels(row.mean_psnr),
            fmt.ssim(row.mean_ssim),
            "–" if gain is None else fmt.gain(gain),
        ]
        place = [text(group.dataset), f"×{group.scale}", text(group.protocol), fmt.count(len(row.images))]
        rows.append([*place, text(row.subject), *scores])
    return rows


def _gates(gates: list[Gate]) -> list[str]:
    if not gates:
        return ["No gate is recorded."]
    rows = [
        [text(g.name), text(g.subject), _value(g), _asked(g), f"**{v}**" if g.verdict == "fail" else v]
        for g in gates
        for v in [facts.verdict_label(g)]
    ]
    parts = [
        f"{facts.summary(facts.tally(gates))}.",
        table(["gate", "subject", "value", "threshold", "verdict"], rows, right=(2, 3)),
    ]
    commands = facts.missing_commands(gates)
    if commands:
        parts += ["What is not measured would be measured by:", fenced("\n".join(commands), "sh")]
    return parts


def _value(gate: Gate) -> str:
    return text(facts.value_label(gate))


def _asked(gate: Gate) -> str:
    return text(facts.threshold_label(gate))


def _use(evidence: Evidence) -> list[str]:
    first = {package.kind: package for package in reversed(evidence.packages)}
    parts: list[str] = []
    for kind in snippets.KINDS:
        if kind in first:
            parts += _programs(first[kind])
    return parts or ["No package is recorded."]


def _programs(package: PackageRecord) -> list[str]:
    return [
        f"{code(package.label)} takes {text(package.input)} and gives {text(package.output)}. Python:",
        fenced(snippets.python(package.kind, package.file, package.function), "python"),
        "Swift:",
        fenced(snippets.swift(package.kind, package.file, package.function), "swift"),
    ]


def _limitations(evidence: Evidence) -> list[str]:
    packages = evidence.packages
    items = [f"{code(p.label)}: {_placement_limit(p)}" for p in packages]
    if packages:
        items.append("Each package takes pictures of its own size only.")
    if evidence.quality:
        items.append("Quality holds for the named pictures, reduced as the protocol says; others differ.")
    counts = facts.tally(evidence.gates)
    if counts.not_measured or counts.unknown:
        items.append(f"Gates {fmt.NOT_MEASURED}: {counts.not_measured}; unknown: {counts.unknown}.")
    return [bullets(items)] if items else ["None is recorded."]


def _placement_limit(package: PackageRecord) -> str:
    answers = {"by rules": package.placement, "by Core ML on a Mac": package.compute_plan}
    return " ".join(_placement(by, placement) for by, placement in answers.items())


def _placement(by: str, placement: Placement | None) -> str:
    if placement is None or placement.source == "not measured":
        return f"Placement {by}: {fmt.NOT_MEASURED}."
    known = f"Placement {by}, {placement.source}: {placement_summary(placement)}"
    return f"{known} ({text(placement.basis)})."


def _training(training: Training | None) -> list[str]:
    if training is None:
        return ["No training is recorded."]
    last = training.validation[-1] if training.validation else None
    held_out = f"{fmt.decibels(last.psnr)} at step {last.step:,}" if last else fmt.NOT_MEASURED
    patch = f"{training.patch}×{training.patch}"
    rows = [
        ["corpus", text(training.corpus)],
        ["pictures", f"{len(training.train_images):,} trained on, {len(training.holdout_images):,} held out"],
        ["steps", f"{training.steps:,} in {fmt.duration(training.seconds)}"],
        ["batch", f"{training.batch:,} patches of {patch} LR pixels"],
        ["loss", text(training.loss)],
        ["precision", text(training.precision)],
        ["device", f"{text(training.device)}, {training.threads} thread{'s' * (training.threads != 1)}"],
        ["seed", str(training.seed)],
        ["held-out PSNR", f"{held_out}, protocol {text(training.protocol)}"],
        ["weights SHA-256", code(training.weights_sha256)],
    ]
    return [table(["fact", "value"], rows)]


def _provenance(evidence: Evidence) -> list[str]:
    made, machine = evidence.provenance, evidence.provenance.machine
    commit = fmt.NOT_RECORDED if made.git_commit is None else code(fmt.short_hash(made.git_commit))
    commit += ", with uncommitted changes" * bool(made.git_commit and made.git_dirty)
    where = f"{machine.system}, {machine.architecture}, {machine.processor}, {machine.cores} cores"
    where += f", {machine.accelerator}" if machine.accelerator else ""
    versions = (
        f"PyTorch {made.torch}, coremltools {made.coremltools}, NumPy {made.numpy}, Python {made.python}"
    )
    rows = [
        ["made by", text(f"pipersr-build {made.toolkit}")],
        ["created", text(made.created)],
        ["commit", commit],
        ["versions", text(versions)],
        ["machine", text(where)],
        ["command", code(made.command)],
    ]
    rows += [["weights SHA-256", code(evidence.weights_sha256)]] * bool(evidence.weights_sha256)
    return [table(["fact", "value"], rows)]
