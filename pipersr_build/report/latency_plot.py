"""Two plots: the roofline that tests the claim of bandwidth, and the latency bands of variants."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.benchmark.latency import Roofline
from pipersr_build.report import svg
from pipersr_build.report.charts import Scale, log_ticks

WIDTH, ROOFLINE_HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 46, 52
_ROOF, _SINGLE, _WHOLE, _TARGET = "#334155", "#c2410c", "#1d4ed8", "#15803d"
_ROW = 24
_LONGEST = 44  # letters of a variant's name


@dataclass(frozen=True)
class Bar:
    """A variant's name and its latency band in ms; `reaches` says what a frame-rate target makes of it."""

    name: str
    low: float
    expected: float
    high: float
    reaches: str = ""


def roofline_plot(roof: Roofline) -> str:
    """FLOP per byte against FLOP per second, with the chip's roofs and the published cases."""
    words = [f"{p.what}: {p.intensity:.3g} FLOP per byte, {p.tflops:.3g} TFLOP/s" for p in roof.points]
    root = svg.document(WIDTH, ROOFLINE_HEIGHT, f"Roofline of the {roof.chip}'s engine", "; ".join(words))
    svg.text(root, (_LEFT, 24), f"{roof.chip}, 640x360: published times under the engine's roofs", size=13,
             weight="bold")  # fmt: skip
    xs = [p.intensity for p in roof.points]
    ys = [p.tflops for p in roof.points]
    x = _log_scale(min(xs) / 3, max(xs) * 3, _LEFT, WIDTH - _RIGHT)
    y = _log_scale(min(ys) / 3, roof.tflops * 3, ROOFLINE_HEIGHT - _BOTTOM, _TOP)
    _axes(root, x, y)
    _roofs(root, roof, x, y)
    for point in roof.points:
        whole = point.what.startswith("whole")
        at = x(point.intensity), y(point.tflops)
        svg.dot(root, at, _WHOLE if whole else _SINGLE, f"{point.ms:g} ms, {point.tflops:.3g} TFLOP/s")
        name = f"{point.what}, {point.ms:g} ms"
        if whole:  # under the flat roofs, whose names stand at the right
            svg.text(root, (at[0] - 8, at[1] + 26), name, "end", _WHOLE)
        else:
            svg.text(root, (at[0] + 9, at[1] + 24), name, "start", _SINGLE)
    return svg.to_text(root)


def _log_scale(low: float, high: float, start: float, end: float) -> Scale:
    return Scale(low, high, start, end, log_ticks(low, high), log=True)


def _axes(root: ET.Element, x: Scale, y: Scale) -> None:
    floor = ROOFLINE_HEIGHT - _BOTTOM
    for tick in y.ticks:
        svg.line(root, (x.start, y(tick)), (x.end, y(tick)), svg.GRID)
        svg.text(root, (x.start - 7, y(tick) + 4), f"{tick:g}", "end", svg.QUIET)
    for tick in x.ticks:
        svg.line(root, (x(tick), floor), (x(tick), floor + 5), svg.QUIET)
        svg.text(root, (x(tick), floor + 18), f"{tick:g}", "middle", svg.QUIET)
    svg.line(root, (x.start, floor), (x.end, floor))
    svg.text(root, (x.end, floor + 36), "FLOP per byte of memory traffic", "end", svg.QUIET)
    svg.text(root, (x.start - 7, _TOP - 8), "TFLOP/s", "end", svg.QUIET)


def _roofs(root: ET.Element, roof: Roofline, x: Scale, y: Scale) -> None:
    """The slope of the activation stream up to each of two flat roofs: the chip's, and 64 channels'."""
    for rate, words, dash in (
        (roof.tflops, f"dense convolutions {roof.tflops:g} TFLOP/s", ""),
        (roof.tflops * roof.share, f"with 64 channels {roof.tflops * roof.share:.1f}", "5 4"),
    ):
        ridge = rate * 1e3 / roof.bandwidth
        svg.line(root, (x(ridge), y(rate)), (x.end, y(rate)), _ROOF, width=1.5, dash=dash)
        svg.text(root, (x.end, y(rate) + (-6 if not dash else 14)), words, "end", _ROOF)
    ridge = roof.tflops * 1e3 / roof.bandwidth
    start = max(x.low, y.low * 1e3 / roof.bandwidth)
    svg.line(root, (x(start), y(start * roof.bandwidth / 1e3)), (x(ridge), y(roof.tflops)), _ROOF, width=1.5)
    middle = math.sqrt(start * ridge)
    at = x(middle) - 8, y(middle * roof.bandwidth / 1e3) - 6
    svg.text(root, at, f"activations through memory {roof.bandwidth:g} GB/s", "end", _ROOF)


def variants_plot(bars: Sequence[Bar], title: str, target: float | None = None) -> str:
    """A line per variant from the low to the high edge of its band, a dot at the expected latency.

    Args:
        bars: in the order they are drawn; those without a figure are named without a line.
        title: above the plot.
        target: ms per frame; a line to compare with.

    Raises:
        ValueError: there is nothing to draw.
    """
    known = [bar for bar in bars if math.isfinite(bar.expected)]
    if not known:
        raise ValueError("a plot needs at least one latency")
    values = [v for bar in known for v in (bar.low, bar.high)] + ([target] if target else [])
    left = 30 + svg.LETTER * max(min(len(bar.name), _LONGEST) for bar in bars)
    x = _log_scale(min(values) / 1.2, max(values) * 1.2, left, WIDTH - _RIGHT)
    height = _TOP + _ROW * len(bars) + _BOTTOM
    words = [
        f"{b.name}: {b.expected:.3g} ms ({b.low:.3g} to {b.high:.3g}) {b.reaches}".strip() for b in known
    ]
    root = svg.document(WIDTH, height, title, "; ".join(words))
    svg.text(root, (14, 24), title, size=13, weight="bold")
    _time_axis(root, x, height - _BOTTOM)
    if target:
        svg.line(root, (x(target), _TOP), (x(target), height - _BOTTOM), _TARGET, width=1.5, dash="6 4")
        svg.text(root, (x(target), _TOP - 6), f"{1e3 / target:.4g} frames/s", "middle", _TARGET)
    for index, bar in enumerate(bars):
        _bar(root, bar, x, _TOP + _ROW * (index + 0.5), left)
    return svg.to_text(root)


def _time_axis(root: ET.Element, x: Scale, floor: float) -> None:
    for tick in x.ticks:
        svg.line(root, (x(tick), _TOP), (x(tick), floor + 5), svg.GRID)
        svg.text(root, (x(tick), floor + 18), f"{tick:g}", "middle", svg.QUIET)
    svg.line(root, (x.start, floor), (x.end, floor))
    svg.text(root, (x.end, floor + 36), "ms a call, predicted (line: band, dot: expected)", "end", svg.QUIET)


def _bar(root: ET.Element, bar: Bar, x: Scale, y: float, left: float) -> None:
    name = bar.name if len(bar.name) <= _LONGEST else f"{bar.name[: _LONGEST - 1]}…"
    svg.text(root, (left - 10, y + 4), name, "end")
    if not math.isfinite(bar.expected):
        svg.text(root, (left + 4, y + 4), "no rate known", "start", svg.QUIET)
        return
    colour = {"yes": _TARGET, "no": _SINGLE}.get(bar.reaches, _WHOLE)
    svg.line(root, (x(bar.low), y), (x(bar.high), y), colour, width=3)
    words = f"{bar.name}: {bar.expected:.3g} ms, {bar.low:.3g} to {bar.high:.3g} {bar.reaches}"
    svg.dot(root, (x(bar.expected), y), colour, words.strip())
