"""dB against parameters on one test set: ours beside what others published."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence.figures import Peer
from pipersr_build.report.charts import Scale, linear_ticks, log_ticks
from pipersr_build.report.labels import Box, place
from pipersr_build.report.quality_plot import elided, short
from pipersr_build.report.shapes import dot, drawing, label, segment, text

WIDTH, HEIGHT = 460, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 30, 44
_LETTER, _BOLD, _LINE, _RADIUS = 6.8, 8.2, 13.0, 4.5
_MARKS = {"ours": "mark", "measured": "dark", "published": "hollow"}


@dataclass(frozen=True)
class PeerGroup:
    """Figures on one test set at one scale, and the protocol that ours were scored under."""

    dataset: str
    scale: int | float
    protocol: str
    rows: tuple[Peer, ...]

    @property
    def bicubic(self) -> Peer | None:
        """Bicubic's row."""
        return next((row for row in self.rows if row.kind == "bicubic"), None)

    @property
    def sources(self) -> list[str]:
        """Where ours were measured."""
        return list(dict.fromkeys(row.source for row in self.rows if row.kind == "ours"))

    @property
    def ranked(self) -> list[Peer]:
        """The best first."""
        return sorted(self.rows, key=lambda row: -row.psnr)


def peer_groups(peers: Sequence[Peer]) -> list[PeerGroup]:
    """The figures by test set and scale, in the record's order."""
    groups: dict[tuple[str, float], list[Peer]] = {}
    for row in peers:
        groups.setdefault((row.dataset, row.scale), []).append(row)
    return [
        PeerGroup(name, scale, next((r.protocol for r in rows if r.kind == "ours"), ""), tuple(rows))
        for (name, scale), rows in groups.items()
    ]


def peers_chart(group: PeerGroup, *, key: str) -> str:
    """The chart; empty where no network's parameters are known.

    Names of ours are written first, so that they find room first.
    """
    order = list(_MARKS)
    known = [row for row in group.rows if row.parameters and row.kind in _MARKS and math.isfinite(row.psnr)]
    known.sort(key=lambda row: order.index(row.kind))
    if not known:
        return ""
    x, y = _scales(known)
    title = f"{elided(group.dataset)}, ×{group.scale:g}"
    body = [text("name", 0, 14, title), *_axes(x, y), *_bicubic(group, y), *_marks(known, x, y)]
    words = "; ".join(f"{row.network} {row.psnr:.2f} dB ({row.protocol})" for row in group.ranked)
    return drawing("chart", key, f"{title}: dB against parameters", words, body, (WIDTH, HEIGHT))


def _scales(known: Sequence[Peer]) -> tuple[Scale, Scale]:
    sizes = [float(row.parameters or 1) for row in known]
    values = [row.psnr for row in known]
    left, right = min(sizes) / 1.5, max(sizes) * 1.5
    margin = 0.12 * (max(values) - min(values)) or 0.5
    low, high = min(values) - margin, max(values) + margin
    across = Scale(left, right, _LEFT, WIDTH - _RIGHT, log_ticks(left, right), log=True)
    return across, Scale(low, high, HEIGHT - _BOTTOM, _TOP, linear_ticks(low, high))


def _axes(x: Scale, y: Scale) -> list[str]:
    lines = []
    for tick in y.ticks:
        lines += [segment("grid", x.start, y(tick), x.end, y(tick))]
        lines += [text("tick", x.start - 7, y(tick) + 4, y.words(tick), "end")]
    for tick in x.ticks:
        lines += [segment("grid", x(tick), y.start, x(tick), y.start + 4)]
        lines += [text("tick", x(tick), y.start + 17, short(tick), "middle")]
    lines += [segment("axis", x.start, y.start, x.end, y.start)]
    lines += [text("tick", x.end, y.start + 35, "parameters", "end")]
    return [*lines, text("tick", x.end, 14, "PSNR-Y, dB", "end")]


def _bicubic(group: PeerGroup, y: Scale) -> list[str]:
    row = group.bicubic
    if row is None:
        return []
    words = f"bicubic {row.psnr:.2f} dB"
    if row.psnr < y.low:
        return [text("tick", _LEFT, HEIGHT - 9, f"{words}, far below")]
    at = y(row.psnr)
    line = segment("level", _LEFT, at, WIDTH - _RIGHT, at, ' stroke-dasharray="5 4"')
    return [line, text("tick", WIDTH - _RIGHT, at - 5, words, "end")]


def _marks(known: Sequence[Peer], x: Scale, y: Scale) -> list[str]:
    points = [(x(float(row.parameters or 1)), y(row.psnr)) for row in known]
    names = [_name(row) for row in known]
    frame = Box(_LEFT, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    wide = [_BOLD if row.kind == "ours" else _LETTER for row in known]
    sizes = [(letter * len(name) + 4, _LINE) for letter, name in zip(wide, names, strict=True)]
    boxes = place(points, sizes, frame, _RADIUS + 1)
    lines = []
    for (px, py), box in zip(points, boxes, strict=True):
        tip = box.nearest((px, py))
        if math.dist(tip, (px, py)) > 2.5 * _RADIUS:
            lines.append(segment("leader", px, py, *tip))
    drawn = list(zip(known, names, points, boxes, strict=True))
    for row, name, (px, py), box in reversed(drawn):  # ours lies on top
        words = f"{row.network}: {row.psnr:.2f} dB, {row.parameters:,} parameters, {row.protocol}"
        lines.append(dot(_MARKS[row.kind], px, py, _RADIUS + (row.kind == "ours"), words))
        kind = "name" if row.kind == "ours" else "tick"
        lines.append(label(kind, box, (px, py), name))
    return lines


def _name(row: Peer) -> str:
    name = elided(row.network.removesuffix(".mlpackage"), 20)
    return name if row.kind == "published" else f"{name} {row.psnr:.2f}"
