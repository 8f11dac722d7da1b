"""What changed between two exports, by their evidence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipersr_build import evidence, machine
from pipersr_build.commands.placing import EVIDENCE
from pipersr_build.evaluation.names import distinct
from pipersr_build.evidence import Evidence, PackageRecord
from pipersr_build.report import facts
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
    old, new = (evidence.load(folder / EVIDENCE) for folder in (before, after))
    shared = {p.label for p in old.packages} & {p.label for p in new.packages}
    was, now = facts_of(old, shared), facts_of(new, shared)
    found = [change for part in was for change in _changes(part, was[part], now[part])]
    return Changes(
        provenance=machine.provenance(command),
        before=names[0],
        after=names[1],
        glance=glance(old, new),
        changes=found,
        same={part: _same(was[part], now[part]) for part in was},
    )


def _changes(part: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield Change(part=part, key=key, before=old.get(key), after=new.get(key))


def _same(old: dict[str, Any], new: dict[str, Any]) -> int:
    return sum(key in new and new[key] == value for key, value in old.items())


def facts_of(found: Evidence, shared: set[str]) -> Facts:
    """What an export's evidence says, part by part, what matters most first, as values with names.

    Args:
        found: an export's.
        shared: the packages (functions) that both exports have; of others it is only said that they are
            there.
    """
    config = {key: value for key, value in found.config.items() if key not in (*NOT_COMPARED, "model")}
    packages = [package for package in found.packages if package.label in shared]
    alone = {package.label for package in found.packages} - shared
    gates = [gate for gate in found.gates if gate.subject not in alone]
    return {
        "gates": {f"{gate.name}, {gate.subject}": gate.verdict for gate in gates},
        "quality": {f"{q.dataset}, {q.protocol}, {q.subject}, {key}": value for q in found.quality
                    for key, value in (("dB", q.mean_psnr), ("SSIM", q.mean_ssim))},
        "packages": {package.label: package.kind for package in found.packages},
        "latency, predicted": {f"{p.label}, {band.chip}, ms": band.expected for p in packages
                               for band in p.latencies},
        "sizes": {f"{p.file}, bytes": p.bytes for p in packages},
        "operations": {key: n for package in packages for key, n in _operations(package)},
        "placement": {f"{p.label}, {key}": n for p in packages for key, n in _placement(p)},
        "parity": {f"{p.label}, {one.input}, {one.runner}": one.psnr_db for p in packages
                   for one in p.parity},
        "gate values": {f"{gate.name}, {gate.subject}": gate.value for gate in gates},
        "network": flat(found.model),
        "training": _training(found),
        "fusion": flat(found.fusion.model_dump()) if found.fusion else {},
        "configuration": flat(config),
        "versions": _versions(found),
    }  # fmt: skip


def glance(old: Evidence, new: Evidence) -> list[Change]:
    """The few figures that a reader asks for first, also those that are the same."""
    was, now = _figures(old), _figures(new)
    return [
        Change(part="at a glance", key=key, before=was.get(key), after=now.get(key))
        for key in dict.fromkeys([*was, *now])
    ]


def _figures(found: Evidence) -> dict[str, Any]:
    best, first = facts.headline(found), found.packages[:1]
    shown: dict[str, Any] = {"gates that failed": len(found.failed), "gates": len(found.gates)}
    if best is not None:
        group = best.group
        shown[f"quality, {group.dataset}, {group.protocol}, dB"] = best.ours.mean_psnr
        shown[f"above bicubic, {group.dataset}, {group.protocol}, dB"] = best.gain
    shown["packages"] = len({package.file for package in found.packages})
    shown |= {f"operations, {p.kind} package": sum(p.census.values()) for p in first}
    shown |= {f"size, {p.kind} package, bytes": p.bytes for p in first}
    if found.fusion is not None:
        shown["parameters"] = found.fusion.parameters_after
    if found.training is not None:
        shown["steps trained"] = found.training.steps
    return shown


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
