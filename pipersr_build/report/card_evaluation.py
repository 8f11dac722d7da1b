"""The card's evaluation: quality under named protocols, published networks, gates."""

from collections.abc import Iterator

from pipersr_build.evaluation.protocol import PROTOCOLS
from pipersr_build.evidence import Evidence, Gate
from pipersr_build.evidence.figures import Peer
from pipersr_build.report import facts
from pipersr_build.report import format as fmt
from pipersr_build.report.facts import QualityGroup
from pipersr_build.report.markdown import bullets, code, fenced, table, text


def evaluation(evidence: Evidence) -> list[str]:
    """The section's parts."""
    return [
        *_quality(evidence),
        *_protocols(evidence),
        *_peers(evidence),
        "### Gates",
        *_gates(evidence.gates),
    ]


def _protocols(evidence: Evidence) -> list[str]:
    """How each protocol that occurs compares two pictures."""
    used = dict.fromkeys([row.protocol for row in evidence.quality])
    known = [PROTOCOLS[name] for name in used if name in PROTOCOLS]
    spaces = {"luma": "luma (BT.601)", "rgb": "RGB"}
    return [
        bullets(
            f"{code(one.name)}: 8-bit pictures compared in {spaces[one.space]}"
            f"{', rounded to 8 bits' if one.rounded else ''}, `scale` pixels left out at each side; "
            f"compare with {one.compare_with}."
            for one in known
        )
    ] if known else []  # fmt: skip


def _peers(evidence: Evidence) -> list[str]:
    """Ours and published networks by test set; empty where ours are not known."""
    if not evidence.peers:
        return []
    sets = list(dict.fromkeys(row.dataset for row in evidence.peers))
    rows = list(_peer_rows(evidence.peers, sets))
    ours = dict.fromkeys(row.source for row in evidence.peers if row.kind == "ours")
    return [
        "### Against published networks",
        f"PSNR in dB, ×{evidence.peers[0].scale:g}. Ours: {text('; '.join(ours))}. Figures as published were "
        "scored by their authors in ways that differ by tenths of a dB; every source is in `evidence.json`.",
        table(["network", "parameters", "scored", *map(text, sets)], rows,
              right=(1, *range(3, 3 + len(sets)))),
    ]  # fmt: skip


def _peer_rows(peers: list[Peer], sets: list[str]) -> Iterator[list[str]]:
    groups: dict[tuple[str, str], dict[str, Peer]] = {}
    for row in peers:
        groups.setdefault((row.network, row.protocol), {})[row.dataset] = row
    for (network, protocol), found in groups.items():
        first = next(iter(found.values()))
        size = "–" if first.parameters is None else fmt.count(first.parameters)
        digits = 2 if first.kind == "published" else 3
        cells = [f"{found[name].psnr:.{digits}f}" if name in found else "–" for name in sets]
        name = f"**{text(network)}**" if first.kind == "ours" else text(network)
        yield [name, size, text(protocol), *cells]


def _quality(evidence: Evidence) -> list[str]:
    groups = facts.quality_groups(evidence)
    if not groups:
        return [f"Quality: {fmt.NOT_MEASURED}. `pipersr-build export` of an image package measures it."]
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
        [text(g.name), text(g.subject), value(g), asked(g), f"**{v}**" if g.verdict == "fail" else v]
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


def value(gate: Gate) -> str:
    """A gate's value as Markdown."""
    return text(facts.value_label(gate))


def asked(gate: Gate) -> str:
    """A gate's threshold as Markdown."""
    return text(facts.threshold_label(gate))
