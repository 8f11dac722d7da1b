"""The quality plot: dB against parameters, ours beside the published networks, a panel per test set.

One self-contained SVG file. Published figures on luma are drawn only where ours are on luma too.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipersr_build.evaluation.protocol import PROTOCOLS
from pipersr_build.evaluation.published import BICUBIC, best, load_published
from pipersr_build.evidence import Quality
from pipersr_build.report.charts import Scale, linear_ticks, log_ticks
from pipersr_build.report.labels import Box, place

WIDTH, PANEL = 760, 390
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 34, 62
_LEGEND = 30
_BREAK = 34  # the strip for a bicubic line that lies far below everything else
_RADIUS = 4.5
_FONT, _LETTER, _LINE = 11, 6.3, 13.0  # pixels: size, width of a letter, height of a name
_FAMILY = "Helvetica, Arial, sans-serif"
_DEFAULT_RANGE = (1e4, 1e6)  # parameters, where nothing is to be drawn

Kind = Literal["ours", "measured", "published"]
_COLOURS: dict[Kind, str] = {"ours": "#c2410c", "measured": "#1d4ed8", "published": "#475569"}
_GRID, _INK, _QUIET = "#e2e8f0", "#0f172a", "#64748b"


@dataclass(frozen=True)
class Mark:
    """One network: its parameters, its PSNR in dB, and whose figure it is."""

    parameters: float
    psnr: float
    name: str
    kind: Kind
    note: str

    @property
    def label(self) -> str:
        """What is written beside the mark: those that are to be compared also say their PSNR."""
        short_name = elided(self.name)
        return short_name if self.kind == "published" else f"{short_name} {self.psnr:.2f}"


@dataclass(frozen=True)
class Panel:
    """One test set's marks and bicubic's PSNR, None where it was not measured."""

    title: str
    marks: list[Mark]
    bicubic: float | None


def quality_plot(rows: Sequence[Quality], parameters: Mapping[str, int | None]) -> str:
    """The plot of the first protocol among `rows`, as an SVG document.

    Args:
        rows: scores; those without a finite PSNR are left out.
        parameters: by subject; subjects without are left out, except bicubic, which is a line.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("a plot needs at least one score")
    protocol = rows[0].protocol
    panels = [panel_of(group, parameters) for group in _by_set(rows, protocol)]
    height = _LEGEND + PANEL * len(panels)
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height}", "role": "img",
        "width": str(WIDTH), "height": str(height), "font-family": _FAMILY, "font-size": str(_FONT),
    })  # fmt: skip
    ET.SubElement(root, "title").text = f"PSNR against parameters, protocol {protocol}"
    ET.SubElement(root, "desc").text = "; ".join(map(describe, panels))
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _legend(root, protocol)
    for index, panel in enumerate(panels):
        offset = _LEGEND + PANEL * index
        _draw(ET.SubElement(root, "g", {"transform": f"translate(0 {offset})"}), panel, protocol)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def panel_of(rows: Sequence[Quality], parameters: Mapping[str, int | None]) -> Panel:
    """What is drawn for one test set, scale and protocol: ours first, then the published networks."""
    first = rows[0]
    ours = [
        Mark(count, row.mean_psnr, printable(row.subject), "ours", row.protocol)
        for row in rows
        if (count := parameters.get(row.subject)) and math.isfinite(row.mean_psnr)
    ]
    bicubic = [row.mean_psnr for row in rows if row.subject == BICUBIC and math.isfinite(row.mean_psnr)]
    return Panel(
        title=f"{elided(printable(first.dataset))}, {first.scale}×, {_pictures(len(first.images))}",
        marks=ours + list(_published(first)),
        bicubic=bicubic[0] if bicubic else None,
    )


def printable(name: str) -> str:
    """A name without control characters, which XML does not allow."""
    return "".join(letter if letter.isprintable() else " " for letter in name)


def elided(name: str, most: int = 32) -> str:
    """A name without its middle where it is too long for the chart."""
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-most // 2 :]}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def describe(panel: Panel) -> str:
    """The panel in words, for those who cannot see it."""
    figures = [f"{mark.name} {mark.psnr:.2f} dB ({mark.note})" for mark in panel.marks]
    if panel.bicubic is not None:
        figures.append(f"bicubic {panel.bicubic:.2f} dB")
    return f"{panel.title}: {', '.join(figures)}"


def _by_set(rows: Sequence[Quality], protocol: str) -> list[list[Quality]]:
    groups: dict[tuple[str, float], list[Quality]] = {}
    for row in rows:
        if row.protocol == protocol:
            groups.setdefault((row.dataset, row.scale), []).append(row)
    return list(groups.values())


def _published(like: Quality) -> Iterator[Mark]:
    """The published networks on the set of `like` at its scale, those whose size is known."""
    if PROTOCOLS[like.protocol].space != "luma":
        return
    rows = [row for row in load_published(like.dataset) if row.scale == like.scale]
    for row in best(rows, like.protocol):
        if row.parameters is not None:
            kind: Kind = "measured" if row.protocol == like.protocol else "published"
            yield Mark(row.parameters, row.psnr, row.network, kind, row.protocol)


def _legend(root: ET.Element, protocol: str) -> None:
    words: dict[Kind, str] = {
        "ours": f"evaluated here, {protocol}",
        "measured": f"published network measured under {protocol}",
        "published": "PSNR-Y as its authors published it",
    }
    x = float(_LEFT)
    for kind, text in words.items():
        if kind == "ours" or PROTOCOLS[protocol].space == "luma":
            _dot(root, x, 18, kind, "")
            _text(root, x + 10, 22, text)
            x += 36 + _LETTER * len(text) * 0.92


def _draw(group: ET.Element, panel: Panel, protocol: str) -> None:
    x, y = _scales(panel)
    _text(group, _LEFT, 22, panel.title, size=13, weight="bold")
    _axes(group, x, y, "PSNR-Y, dB" if PROTOCOLS[protocol].space == "luma" else "PSNR, dB")
    frame = Box(_LEFT, _TOP, WIDTH - _RIGHT, y.start + (_BREAK if _broken(panel) else 0))
    if panel.bicubic is not None:
        at = PANEL - _BOTTOM - 8 if _broken(panel) else y(panel.bicubic)
        _bicubic(group, panel.bicubic, at, _broken(panel))
        # names stay clear of the line and its own name
        frame = Box(frame.left, frame.top, frame.right, at - 18) if _broken(panel) else frame
    _marks(group, panel.marks, x, y, frame)


def _marks(group: ET.Element, marks: Sequence[Mark], x: Scale, y: Scale, frame: Box) -> None:
    points = [(x(mark.parameters), y(mark.psnr)) for mark in marks]
    sizes = [(_LETTER * len(mark.label) + 4, _LINE) for mark in marks]
    boxes = place(points, sizes, frame, _RADIUS)
    for (px, py), box in zip(points, boxes, strict=True):
        tip_x, tip_y = box.nearest((px, py))
        if math.hypot(tip_x - px, tip_y - py) > 2.5 * _RADIUS:
            _line(group, px, py, tip_x, tip_y, "#94a3b8", width=0.7)
    for mark, (px, py), box in zip(marks, points, boxes, strict=True):
        words = f"{mark.name}: {mark.psnr:.3f} dB, {mark.parameters:,.0f} parameters, {mark.note}"
        _dot(group, px, py, mark.kind, words)
        weight = "normal" if mark.kind == "published" else "bold"
        centre = (box.left + box.right) / 2
        _text(group, centre, box.bottom - 3, mark.label, "middle", _COLOURS[mark.kind], weight=weight)


def _scales(panel: Panel) -> tuple[Scale, Scale]:
    counts = [mark.parameters for mark in panel.marks] or list(_DEFAULT_RANGE)
    left, right = min(counts) / 1.35, max(counts) * 1.35
    low, high = _range(panel)
    bottom = PANEL - _BOTTOM - (_BREAK if _broken(panel) else 0)
    across = Scale(left, right, _LEFT, WIDTH - _RIGHT, log_ticks(left, right), log=True)
    return across, Scale(low, high, bottom, _TOP, linear_ticks(low, high, 6))


def _broken(panel: Panel) -> bool:
    """Whether bicubic lies so far below the networks that it would press them together."""
    if panel.bicubic is None or not panel.marks:
        return False
    values = [mark.psnr for mark in panel.marks]
    spread = max(max(values) - min(values), 0.5)
    return min(values) - panel.bicubic > 0.5 * spread


def _range(panel: Panel) -> tuple[float, float]:
    values = [mark.psnr for mark in panel.marks]
    if panel.bicubic is not None and not _broken(panel):
        values.append(panel.bicubic)
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.12 * (high - low) or 0.5
    return low - margin, high + margin


def _axes(group: ET.Element, x: Scale, y: Scale, y_label: str) -> None:
    for tick in y.ticks:
        _line(group, x.start, y(tick), x.end, y(tick), _GRID)
        _text(group, x.start - 7, y(tick) + 4, f"{tick:.6g}", "end", _QUIET)
    floor = PANEL - _BOTTOM
    for tick in x.ticks:
        _line(group, x(tick), floor, x(tick), floor + 5, _QUIET)
        _text(group, x(tick), floor + 17, short(tick), "middle", _QUIET)
    _line(group, x.start, floor, x.end, floor, _INK)
    _text(group, x.end, floor + 34, "parameters", "end", _QUIET)
    _text(group, x.end, _TOP - 12, y_label, "end", _QUIET)


def _bicubic(group: ET.Element, psnr: float, at: float, broken: bool) -> None:
    _line(group, _LEFT, at, WIDTH - _RIGHT, at, _QUIET, dash="6 4")
    words = f"bicubic {psnr:.2f} dB" + (" (below the axis, not to scale)" if broken else "")
    _text(group, WIDTH - _RIGHT - 4, at - 5, words, "end", _QUIET)
    if broken:  # the usual sign of a cut axis
        for shift in (0, 5):
            _line(group, _LEFT - 6, at - 16 - shift, _LEFT + 6, at - 21 - shift, _QUIET)


def short(count: float) -> str:
    """A parameter count at an axis: `500`, `20 K`, `1 M`."""
    for size, sign in ((1e6, " M"), (1e3, " K")):
        if count >= size:
            return f"{count / size:g}{sign}"
    return f"{count:g}"


def _dot(parent: ET.Element, x: float, y: float, kind: Kind, words: str) -> None:
    colour = _COLOURS[kind]
    fill = "#ffffff" if kind == "published" else colour
    radius = _RADIUS + (1 if kind == "ours" else 0)
    circle = ET.SubElement(parent, "circle", {
        "class": kind, "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}",
        "fill": fill, "stroke": colour, "stroke-width": "1.5",
    })  # fmt: skip
    if words:
        ET.SubElement(circle, "title").text = words


def _line(
    parent: ET.Element, x1: float, y1: float, x2: float, y2: float, colour: str, *,
    width: float = 1, dash: str = "",
) -> None:  # fmt: skip
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    more = {"stroke-dasharray": dash} if dash else {}
    ET.SubElement(parent, "line", {**ends, "stroke": colour, "stroke-width": f"{width:g}", **more})


def _text(
    parent: ET.Element, x: float, y: float, words: str, anchor: str = "start", colour: str = _INK, *,
    size: int = _FONT, weight: str = "normal",
) -> None:  # fmt: skip
    ET.SubElement(parent, "text", {
        "x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "fill": colour,
        "font-size": str(size), "font-weight": weight,
    }).text = words  # fmt: skip
