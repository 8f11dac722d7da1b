"""An export's figures on the standard test sets beside what others published there.

Published figures are set beside ours only where ours are known on the same test set, and never under one
name with them: each row says under which protocol it was scored, and who measured it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipersr_build.evaluation import record as evaluations
from pipersr_build.evaluation.protocol import PROTOCOLS
from pipersr_build.evaluation.published import BICUBIC, best, load_published, other_pictures
from pipersr_build.evidence import Evidence, Quality
from pipersr_build.evidence.figures import Peer
from pipersr_build.shipped import shipped

_FOLDER, _RECORD = "weights", "pipersr_2x.quality.json"
_HERE = "measured for this export"


@dataclass(frozen=True)
class _Measured:
    """A row of ours, or of bicubic, and where it was measured."""

    row: Quality
    source: str


def with_peers(evidence: Evidence, protocol: str) -> Evidence:
    """The evidence with ours and others' figures side by side, where ours are known; else without any.

    Ours are those that the export measured on a standard test set. Where it measured none and holds the
    shipped reference weights, they are those of the record that comes with the weights, and say so.

    Args:
        evidence: of an export.
        protocol: of which ours are shown; one that does not compare luma has no published figures.
    """
    if protocol not in PROTOCOLS or PROTOCOLS[protocol].space != "luma":
        return evidence.model_copy(update={"peers": []})
    packages = {package.file for package in evidence.packages}
    rows = [row for row in evidence.quality if row.subject in (BICUBIC, *packages)]
    measured = list(_usable((_Measured(row, _HERE) for row in rows), protocol))
    measured = measured or list(_usable(_recorded(evidence), protocol))
    return evidence.model_copy(update={"peers": list(_peers(measured, evidence, protocol))})


def _usable(rows: Iterable[_Measured], protocol: str) -> Iterator[_Measured]:
    """Those on test sets with published figures whose pictures bicubic does not contradict."""
    found = [one for one in rows if one.row.protocol == protocol and load_published(one.row.dataset)]
    others = {(one.row.dataset, one.row.scale) for one in found if other_pictures(one.row)}
    sets = {one.row.dataset for one in found if one.row.subject != BICUBIC}
    for one in found:
        if (one.row.dataset, one.row.scale) not in others and one.row.dataset in sets:
            yield one


def _recorded(evidence: Evidence) -> Iterator[_Measured]:
    """The rows of the shipped weights' record, where the export holds these weights."""
    folder = shipped(_FOLDER, _RECORD)
    if folder is None:
        return
    found = evaluations.load(folder / _RECORD)
    kinds = {one.name: one.kind for one in found.subjects}
    if not any(one.kind == "weights" and one.sha256 == evidence.weights_sha256 for one in found.subjects):
        return
    day = found.provenance.created.partition("T")[0]
    for row in found.quality:
        if kinds[row.subject] in ("package", "bicubic"):
            yield _Measured(row, f"measured {day} on a package of the same weights, {_FOLDER}/{_RECORD}")


def _peers(measured: list[_Measured], evidence: Evidence, protocol: str) -> Iterator[Peer]:
    parameters = evidence.fusion.parameters_after if evidence.fusion else None
    sets = dict.fromkeys((one.row.dataset, one.row.scale) for one in measured)
    for name, scale in sorted(sets, key=lambda one: _place(one[0])):
        for one in measured:
            if (one.row.dataset, one.row.scale) == (name, scale):
                yield _ours(one, parameters)
        rows = [row for row in load_published(name) if row.scale == scale and row.network != BICUBIC]
        for row in best(rows, protocol):
            alike = row.protocol == protocol
            yield Peer(**vars(row), kind="measured" if alike else "published")


def _place(dataset: str) -> int:
    """Where a test set stands in the table of published figures."""
    return list(dict.fromkeys(row.dataset for row in load_published())).index(dataset)


def _ours(one: _Measured, parameters: int | None) -> Peer:
    row, plain = one.row, one.row.subject == BICUBIC
    return Peer(
        network=row.subject,
        kind="bicubic" if plain else "ours",
        parameters=None if plain else parameters,
        scale=row.scale,
        dataset=row.dataset,
        protocol=row.protocol,
        psnr=row.mean_psnr,
        ssim=row.mean_ssim,
        source=one.source,
    )
