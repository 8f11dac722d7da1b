"""The card's sections on use: what the packages are for, where they run, what they cannot do."""

from pipersr_build.evidence import Evidence, PackageRecord, Placement
from pipersr_build.report import facts
from pipersr_build.report import format as fmt
from pipersr_build.report.histogram_chart import total
from pipersr_build.report.markdown import bullets, code, table, text
from pipersr_build.report.placement_facts import latency_line, milliseconds, placement_summary

_MAC = "On a Mac `pipersr-build verify` reads Core ML's own plan and `pipersr-build bench` measures the time."


def intended_use(evidence: Evidence) -> list[str]:
    """The section's parts: what holds for every super-resolution network."""
    scale = evidence.model.get("scale")
    times = f" {scale} times as wide and high" if scale is not None else ""
    return [
        bullets([
            f"Made for: enlarging pictures and video frames{times} on Apple devices, through Core ML.",
            "Not made for: pictures that serve as evidence, in medicine, forensics or identification. The "
            "network adds detail that is likely, which is not detail that was there.",
            "Noise and compression stay, or grow with the picture, unless the training pictures had them.",
        ])
    ]  # fmt: skip


def placement(evidence: Evidence) -> list[str]:
    """The section's parts: predicted and measured beside one another, never merged."""
    if not evidence.packages:
        return ["No package is recorded."]
    rows = [
        [code(p.label), _answer(p.placement), _answer(p.compute_plan), _latency(p)] for p in evidence.packages
    ]
    header = ["package", "placement by rules", "placement by Core ML", "latency, predicted"]
    bases = {p.placement.basis for p in evidence.packages if p.placement is not None}
    parts = [table(header, rows), *(f"Predicted by: {text(basis)}." for basis in sorted(bases)), _MAC]
    return [*parts, *_chips(evidence), *_numbers(evidence)]


def _answer(found: Placement | None) -> str:
    if found is None or found.source == "not measured":
        return fmt.NOT_MEASURED
    words = text(placement_summary(found))  # says so itself where it is predicted
    return words if found.source == "predicted" else f"{found.source}: {words}"


def _latency(package: PackageRecord) -> str:
    return text(latency_line(package.placement)) if package.placement is not None else ""


def _chips(evidence: Evidence) -> list[str]:
    """The predicted latency on every chip, as a table; empty where none is recorded."""
    packages = [p for p in evidence.packages if p.latencies]
    chips = dict.fromkeys(band.chip for p in packages for band in p.latencies)
    if not chips:
        return []
    bands = [{band.chip: band for band in p.latencies} for p in packages]
    rows = [
        [chip, *(
            f"{milliseconds(b.expected)} ({b.low:.3g} to {b.high:.3g})" if (b := of.get(chip)) else "–"
            for of in bands
        )]
        for chip in chips
    ]  # fmt: skip
    header = ["chip", *(code(p.label) for p in packages)]
    return ["One call, expected time and band, predicted from published rates and never timed:",
            table(header, rows, right=tuple(range(1, len(header))))]  # fmt: skip


def _numbers(evidence: Evidence) -> list[str]:
    found = evidence.activations
    if found is None or not found.operations:
        return []
    whole = total(found)
    where = f"{text(', '.join(found.pictures))} with {code(found.subject)} ({text(found.runner)})"
    sums = "" if whole.sums is None else f", the largest sum inside a convolution at most {whole.sums:,.4g}"
    limits = "fp16 holds 65,504, the engine's sums 32,768"
    return [f"Measured on {where}: the largest value is {whole.largest:,.4g}{sums}. {limits}."]


def limitations(evidence: Evidence) -> list[str]:
    """The section's parts."""
    packages = evidence.packages
    items = ["Each package takes pictures of its own size only."] if packages else []
    items += [f"{code(p.label)}: {text(warning)}" for p in packages for warning in _warnings(p)]
    if evidence.quality:
        items.append("Quality holds for the named pictures, reduced as the protocol says; others differ.")
    counts = facts.tally(evidence.gates)
    if counts.not_measured or counts.unknown:
        items.append(f"Gates {fmt.NOT_MEASURED}: {counts.not_measured}; unknown: {counts.unknown}.")
    return [bullets(items)] if items else ["None is recorded."]


def _warnings(package: PackageRecord) -> list[str]:
    return package.placement.warnings if package.placement is not None else []
