"""The plot of `compare`: dB against the predicted latency with its band, one self-contained SVG file."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.report import svg
from pipersr_build.report.charts import Scale, linear_ticks, log_ticks
from pipersr_build.report.compare_record import SETS, Row
from pipersr_build.report.labels import Box, place
from pipersr_build.report.quality_plot import elided

WIDTH, PANEL = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 78, 52
_RADIUS = 4.5
_OURS, _OTHERS, _BAND = "#c2410c", "#475569", "#fdba74"
_DEFAULT = (1.0, 100.0), (28.0, 34.0)  # ms and dB, where nothing is to be drawn


@dataclass(frozen=True)
class Mark:
    """A network's latency band in ms and its PSNR in dB, measured or else published by others."""

    name: str
    low: float
    expected: float
    high: float
    psnr: float
    measured: bool
    published: float | None
    note: str

    @property
    def label(self) -> str:
        """What stands beside the mark."""
        return f"{elided(self.name)} {self.psnr:.2f}"


def compare_plot(
    rows: Sequence[Row], *, protocol: str, chip: str, frame: str, title: str, bicubic: float | None = None
) -> str:
    """PSNR on one test set against the predicted ms of a frame on a logarithmic axis, as SVG.

    The set is BSD100, or the first of the others that anything is known of. What cannot be drawn is named
    under the plot with the reason.

    Args:
        rows: the networks.
        protocol: of the PSNR that was measured.
        chip: that the latencies are predicted for.
        frame: the LR frame, WxH.
        title: above the plot.
        bicubic: PSNR of bicubic on that set, drawn as a line where it lies among the marks.
    """
    dataset = dataset_of(rows, protocol)
    marks, missing = marks_of(rows, dataset, protocol, frame)
    below = _folded(f"Not drawn: {'; '.join(missing)}" if missing else "")
    height = PANEL + int(svg.LINE) * len(below)
    words = [f"{m.name} {m.psnr:.2f} dB, {m.expected:.3g} ms ({m.low:.3g} to {m.high:.3g}), {m.note}"
             for m in marks]  # fmt: skip
    root = svg.document(WIDTH, height, title, "; ".join([*words, *below]))
    for index, line in enumerate(_folded(title)):
        svg.text(root, (14, 20 + 15 * index), line, size=13 if index == 0 else svg.FONT, weight="bold")
    _legend(root, protocol)
    x, y = _scales(marks)
    _axes(root, x, y, f"{dataset}, dB", f"ms for a {frame} frame on {chip}, predicted")
    if bicubic is not None and y.low < bicubic < y.high:
        svg.line(root, (x.start, y(bicubic)), (x.end, y(bicubic)), svg.QUIET, dash="6 4")
        svg.text(root, (x.end - 4, y(bicubic) - 5), f"bicubic {bicubic:.2f} dB", "end", svg.QUIET)
    _draw(root, marks, x, y)
    for index, line in enumerate(below):
        svg.text(root, (14, PANEL + svg.LINE * index), line, colour=svg.QUIET)
    return svg.to_text(root)


def dataset_of(rows: Sequence[Row], protocol: str) -> str:
    """The test set to draw: BSD100, the largest, where a score is measured on it, else one that has one."""
    measured = [s.dataset for row in rows for s in row.measured if s.protocol == protocol]
    published = [s.dataset for row in rows for s in row.published]
    known = [name for name in reversed(SETS) if name in measured]
    known += [*measured, *(name for name in reversed(SETS) if name in published)]
    return next(iter(known), SETS[-1])


def marks_of(rows: Sequence[Row], dataset: str, protocol: str, frame: str) -> tuple[list[Mark], list[str]]:
    """What can be drawn, and for the others why not."""
    marks, missing = [], []
    for row in rows:
        one, score, known = row.latency, row.score(dataset, protocol), row.known(dataset, protocol)
        best = score or known
        why = _obstacle(row, frame, best is not None)
        if why or one is None or best is None or one.expected is None:
            missing.append(f"{row.name} ({why})")
            continue
        marks.append(Mark(
            name=row.name + ("" if one.resident else "*" if one.resident is False else "?"),
            low=one.low or one.expected,
            expected=one.expected,
            high=one.high or one.expected,
            psnr=best.psnr,
            measured=score is not None,
            published=known.psnr if score is not None and known is not None else None,
            note=f"measured, {protocol}" if score is not None else f"published, {best.protocol}",
        ))  # fmt: skip
    return marks, missing


def _obstacle(row: Row, frame: str, has_psnr: bool) -> str:
    """Why a row cannot be drawn; empty if it can."""
    if row.error:
        return "no package"
    if f"{row.width}x{row.height}" != frame:
        return f"a package of {row.width}x{row.height}"
    if row.latency is None or row.latency.expected is None:
        return "no rate known"
    return "" if has_psnr else "PSNR not measured, none published"


def _folded(words: str, letters: int = int((WIDTH - 28) / (svg.LETTER * 0.95))) -> list[str]:
    """Words in lines that fit the page's width."""
    lines: list[str] = []
    for word in words.split():
        if lines and len(lines[-1]) + 1 + len(word) <= letters:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _legend(root: ET.Element, protocol: str) -> None:
    at, y = float(_LEFT), _TOP - 26
    for colour, fill, words in (
        (_OURS, _OURS, f"measured here ({protocol})"),
        (_OTHERS, "#ffffff", "as published by others"),
        (_BAND, _BAND, "band of the prediction; * not all on the ANE, ? placement not known"),
    ):
        _dot(root, (at, y), colour, fill, "")
        svg.text(root, (at + 10, y + 4), words, colour=svg.QUIET)
        at += 34 + svg.LETTER * len(words) * 0.85


def _scales(marks: Sequence[Mark]) -> tuple[Scale, Scale]:
    times = [v for m in marks for v in (m.low, m.high)] or list(_DEFAULT[0])
    levels = [v for m in marks for v in (m.psnr, m.published) if v is not None] or list(_DEFAULT[1])
    left, right = min(times) / 1.2, max(times) * 1.2
    margin = 0.12 * (max(levels) - min(levels)) or 0.5
    low, high = min(levels) - margin, max(levels) + margin
    across = Scale(left, right, _LEFT, WIDTH - _RIGHT, log_ticks(left, right), log=True)
    return across, Scale(low, high, PANEL - _BOTTOM, _TOP, linear_ticks(low, high, 6))


def _axes(root: ET.Element, x: Scale, y: Scale, up: str, along: str) -> None:
    for tick in y.ticks:
        svg.line(root, (x.start, y(tick)), (x.end, y(tick)), svg.GRID)
        svg.text(root, (x.start - 7, y(tick) + 4), f"{tick:.6g}", "end", svg.QUIET)
    for tick in x.ticks:
        svg.line(root, (x(tick), y.start), (x(tick), y.start + 5), svg.QUIET)
        svg.text(root, (x(tick), y.start + 17), f"{tick:g}", "middle", svg.QUIET)
    svg.line(root, (x.start, y.start), (x.end, y.start))
    svg.text(root, (x.end, y.start + 34), along, "end", svg.QUIET)
    svg.text(root, (14, _TOP - 8), up, colour=svg.QUIET)


def _draw(root: ET.Element, marks: Sequence[Mark], x: Scale, y: Scale) -> None:
    points = [(x(m.expected), y(m.psnr)) for m in marks]
    for mark, (px, py) in zip(marks, points, strict=True):
        svg.line(root, (x(mark.low), py), (x(mark.high), py), _BAND, width=2)
        if mark.published is not None:
            svg.line(root, (px, py), (px, y(mark.published)), _OTHERS, width=0.7, dash="2 3")
            _dot(
                root,
                (px, y(mark.published)),
                _OTHERS,
                "#ffffff",
                f"{mark.name}: {mark.published:.2f} dB published",
            )
    sizes = [(svg.LETTER * len(mark.label) + 4, svg.LINE) for mark in marks]
    frame = Box(_LEFT, _TOP, WIDTH - _RIGHT, PANEL - _BOTTOM)
    boxes = place(points, sizes, frame, _RADIUS, [at for mark in marks for at in _drawn(mark, x, y)])
    for mark, point, box in zip(marks, points, boxes, strict=True):
        colour = _OURS if mark.measured else _OTHERS
        tip = box.nearest(point)
        if math.dist(tip, point) > 2.5 * _RADIUS:
            svg.line(root, point, tip, "#94a3b8", width=0.7)
        words = f"{mark.name}: {mark.psnr:.3f} dB ({mark.note}), {mark.expected:.3g} ms"
        _dot(root, point, colour, colour if mark.measured else "#ffffff", words)
        weight = "bold" if mark.measured else "normal"
        middle = (box.left + box.right) / 2
        svg.text(root, (middle, box.bottom - 3), mark.label, "middle", colour, weight=weight)


def _drawn(mark: Mark, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Where a mark's band and published figure are drawn: names are to stay clear of them."""
    left, right, height = x(mark.low), x(mark.high), y(mark.psnr)
    steps = max(1, round((right - left) / (2 * _RADIUS)))
    band = [(left + (right - left) * step / steps, height) for step in range(steps + 1)]
    return band if mark.published is None else [*band, (x(mark.expected), y(mark.published))]


def _dot(root: ET.Element, at: tuple[float, float], colour: str, fill: str, words: str) -> None:
    """A circle with an edge, which `svg.dot` has not."""
    circle = ET.SubElement(root, "circle", {
        "cx": f"{at[0]:.1f}", "cy": f"{at[1]:.1f}", "r": f"{_RADIUS:g}", "fill": fill, "stroke": colour,
        "stroke-width": "1.5",
    })  # fmt: skip
    if words:
        ET.SubElement(circle, "title").text = svg.printable(words)
