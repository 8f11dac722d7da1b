"""What changed between two exports, by their evidence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipersr_build import evidence, machine
from pipersr_build.commands.publish import EVIDENCE
from pipersr_build.evaluation.names import distinct
from pipersr_build.evidence import Evidence, PackageRecord
from pipersr_build.report.compare_record import Change, Changes

Facts = dict[str, dict[str, Any]]  # part -> what -> value
NOT_COMPARED = {"weights", "name", "exports", "runs"}  # settings that say where, not what


def changes(before: Path, after: Path, command: str) -> Changes:
    """Everything that is not the same in two exports: configuration, operations, sizes, quality, gates.

    Args:
        before: an export's folder.
        after: another one's.
        command: what the user typed, for the record.

    Raises:
        InputError: the evidence of one cannot be read.
    """
    names = distinct([before, after]) if before.resolve() != after.resolve() else [str(before), str(after)]
    old, new = (facts_of(evidence.load(folder / EVIDENCE)) for folder in (before, after))
    parts = list(dict.fromkeys([*old, *new]))
    found = [change for part in parts for change in _changes(part, old.get(part, {}), new.get(part, {}))]
    return Changes(
        provenance=machine.provenance(command),
        before=names[0],
        after=names[1],
        changes=found,
        same={part: _same(old.get(part, {}), new.get(part, {})) for part in parts},
    )


def _changes(part: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield Change(part=part, key=key, before=old.get(key), after=new.get(key))


def _same(old: dict[str, Any], new: dict[str, Any]) -> int:
    return sum(key in new and new[key] == value for key, value in old.items())


def facts_of(found: Evidence) -> Facts:
    """What an export's evidence says, part by part, as values with names."""
    config = {key: value for key, value in found.config.items() if key not in (*NOT_COMPARED, "model")}
    sizes = {f"{p.file}, bytes": p.bytes for p in found.packages}
    return {
        "network": flat(found.model),
        "configuration": flat(config),
        "training": _training(found),
        "fusion": flat(found.fusion.model_dump()) if found.fusion else {},
        "operations": {key: n for package in found.packages for key, n in _operations(package)},
        "sizes": sizes,
        "parity": {f"{p.label}, {one.input}, {one.runner}": one.psnr_db for p in found.packages
                   for one in p.parity},
        "placement": {f"{p.label}, {key}": n for p in found.packages for key, n in _placement(p)},
        "quality": {f"{q.dataset}, {q.protocol}, {q.subject}, {key}": value for q in found.quality
                    for key, value in (("dB", q.mean_psnr), ("SSIM", q.mean_ssim))},
        "gates": {f"{gate.name}, {gate.subject}": gate.verdict for gate in found.gates},
        "gate values": {f"{gate.name}, {gate.subject}": gate.value for gate in found.gates},
        "versions": _versions(found),
    }  # fmt: skip


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, its keys joined by points."""
    if not isinstance(value, dict):
        return {prefix: value}
    parts = (flat(item, f"{prefix}.{key}" if prefix else str(key)) for key, item in value.items())
    return {key: item for part in parts for key, item in part.items()}


def _operations(package: PackageRecord) -> Iterator[tuple[str, int]]:
    yield f"{package.label}, all", sum(package.census.values())
    for kind, count in package.census.items():
        yield f"{package.label}, {kind}", count


def _placement(package: PackageRecord) -> Iterator[tuple[str, int]]:
    """How many operations have which verdict, predicted, and by Core ML where that was asked."""
    answers = {"predicted": package.placement, "compute plan": package.compute_plan}
    for words, placement in answers.items():
        verdicts = [op.verdict for op in placement.operations] if placement is not None else []
        for verdict in sorted(set(verdicts)):
            yield f"{verdict} ({words})", verdicts.count(verdict)


def _training(found: Evidence) -> dict[str, Any]:
    """How the weights came to be, without the curves."""
    shown = {"weights SHA-256": found.weights_sha256}
    if found.training is None:
        return shown
    left_out = {
        "weights_sha256",
        "curve",
        "validation",
        "settings",
        "legs",
        "before",
        "train_images",
        "holdout_images",
    }
    return {**shown, **flat(found.training.model_dump(exclude=left_out))}


def _versions(found: Evidence) -> dict[str, Any]:
    shown = {"toolkit", "python", "torch", "coremltools", "numpy", "git_commit"}
    return found.provenance.model_dump(include=shown)
