"""The model card, in Hugging Face's format, rendered from the record alone."""

from pipersr_build.evidence import Evidence, FileRecord, PackageRecord, Training
from pipersr_build.report import facts, snippets
from pipersr_build.report import format as fmt
from pipersr_build.report.card_evaluation import asked, evaluation, value
from pipersr_build.report.card_metadata import front_matter
from pipersr_build.report.card_use import intended_use, limitations, placement
from pipersr_build.report.markdown import bullets, code, fenced, table, text


def render_card(evidence: Evidence) -> str:
    """MODEL_CARD.md of an export: front matter, then what is known, section by section."""
    sections = {
        "Model description": [
            *_network(evidence),
            *_packages(evidence.packages),
            *_files(evidence.files),
        ],
        "Intended use": intended_use(evidence),
        "How to use": _use(evidence),
        "Training data": _training(evidence.training),
        "Evaluation": evaluation(evidence),
        "Placement, predicted and measured": placement(evidence),
        "Limitations": limitations(evidence),
        "Provenance": _provenance(evidence),
    }
    parts = [front_matter(evidence), f"# {text(evidence.name)}", *_opening(evidence)]
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
        failed = [f"{text(g.name)}, {text(g.subject)}: {value(g)}, asked {asked(g)}" for g in evidence.failed]
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
    """Files of other formats; empty where there are none."""
    if not records:
        return []
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
    return ["The same network in other formats:", table(header, rows, right=(5, 6, 7)), note]


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


def _training(training: Training | None) -> list[str]:
    if training is None:
        return ["No training is recorded."]
    last = training.validation[-1] if training.validation else None
    held_out = f"{fmt.decibels(last.psnr)} at step {last.step:,}" if last else fmt.NOT_MEASURED
    patch = f"{training.patch}×{training.patch}"
    parts = training.parts
    whole = f"{sum(p.steps for p in parts):,} in {fmt.duration(sum(p.seconds for p in parts))}"
    rows = [
        ["corpus", text(training.corpus)],
        ["pictures", f"{len(training.train_images):,} trained on, {len(training.holdout_images):,} held out"],
        ["steps", f"{whole}, in {len(parts)} parts" if len(parts) > 1 else whole],
        *([["the last part, of which all below is", _steps(training)]] if len(parts) > 1 else []),
        ["batch", f"{training.batch:,} patches of {patch} LR pixels"],
        ["loss", text(training.loss)],
        ["precision", text(training.precision)],
        ["device", f"{text(training.device)}, {training.threads} thread{'s' * (training.threads != 1)}"],
        ["seed", str(training.seed)],
        ["held-out PSNR", f"{held_out}, protocol {text(training.protocol)}"],
        ["weights SHA-256", code(training.weights_sha256)],
    ]
    return [table(["fact", "value"], rows)]


def _steps(training: Training) -> str:
    return f"{training.steps:,} steps in {fmt.duration(training.seconds)}"


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
