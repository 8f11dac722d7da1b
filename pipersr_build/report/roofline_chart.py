"""The roofline: FLOP per byte against FLOP per second, a package's prediction under the chips' roofs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipersr_build.evidence import Latency, PackageRecord
from pipersr_build.evidence.figures import Roof, Traffic
from pipersr_build.report.charts import Scale, log_ticks
from pipersr_build.report.labels import Box, place
from pipersr_build.report.shapes import dot, drawing, label, segment, text

WIDTH, HEIGHT = 460, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 66, 30, 44
_LETTER, _LINE = 6.8, 14.0
_NEAR = 12.0  # pixels within which points share a name


@dataclass(frozen=True)
class Case:
    """One package on the chip that it was placed for.

    Attributes:
        label: the package.
        fused: FLOP per byte where only segments' edges go through memory.
        streamed: FLOP per byte if every operation read and wrote memory.
        expected: TFLOP/s by the predicted latency.
        low: TFLOP/s by the band's slow end.
        high: TFLOP/s by its fast end.
    """

    label: str
    fused: float
    streamed: float
    expected: float
    low: float
    high: float


def cases(packages: Sequence[PackageRecord]) -> tuple[str, list[Case]]:
    """The chip, and the packages with a predicted latency on it; no chip where there is none."""
    known = [
        (p.label, p.traffic, p.placement.latency)
        for p in packages
        if p.traffic is not None and p.placement is not None and p.placement.latency is not None
    ]
    chip = known[0][2].chip if known else ""
    return chip, [_case(*one) for one in known if one[2].chip == chip]


def _case(label: str, moved: Traffic, band: Latency) -> Case:
    rates = [moved.flop / (1e9 * ms) for ms in (band.expected, band.high, band.low)]
    fused, streamed = (moved.flop / max(moved.weights + b, 1.0) for b in (moved.edges, moved.streamed))
    return Case(label, fused, streamed, *rates)


def shown_roofs(roofs: Sequence[Roof], chip: str) -> list[Roof]:
    """The chip's own roof first, then the lowest and the highest of the others."""
    own = [roof for roof in roofs if roof.chip == chip]
    others = sorted((r for r in roofs if r.chip != chip), key=lambda r: r.tflops)
    return [*own, *others[:1], *others[1:][-1:]]


def bound(roof: Roof, intensity: float) -> float:
    """TFLOP/s that a roof allows at so many FLOP per byte."""
    return min(roof.tflops, intensity * roof.bandwidth / 1e3)


def roofline_chart(found: Sequence[Case], roofs: Sequence[Roof], *, key: str) -> str:
    """The chart of at least one case and one roof, the first being the cases' own."""
    own = roofs[0]
    xs = [x for case in found for x in (case.fused, case.streamed)]
    ys = [y for case in found for y in (case.low, case.high, bound(own, case.streamed))]
    left, right = min(xs) / 4, max(xs) * 3
    low, high = min(ys) / 2, max([roof.tflops for roof in roofs] + ys) * 1.6
    x = Scale(left, right, _LEFT, WIDTH - _RIGHT, log_ticks(left, right), log=True)
    y = Scale(low, high, HEIGHT - _BOTTOM, _TOP, log_ticks(low, high), log=True)
    body = [*_axes(x, y), *(_roof(roof, x, y, roof is own) for roof in roofs)]
    body += _labels(roofs, x, y)
    body += [_point(case, own, x, y) for case in found]
    body += _names(found, x, y)
    words = "; ".join(
        f"{c.label}: {c.fused:.4g} FLOP per byte, {c.expected:.3g} TFLOP/s; {c.streamed:.3g} if "
        "every operation streamed"
        for c in found
    )
    return drawing("chart", key, f"Roofline of {own.chip}, predicted", words, body, (WIDTH, HEIGHT))


def _axes(x: Scale, y: Scale) -> list[str]:
    lines = []
    for tick in y.ticks:
        lines += [segment("grid", x.start, y(tick), x.end, y(tick))]
        lines += [text("tick", x.start - 7, y(tick) + 4, f"{tick:g}", "end")]
    for tick in x.ticks:
        lines += [segment("grid", x(tick), y.start, x(tick), y.start + 4)]
        lines += [text("tick", x(tick), y.start + 18, f"{tick:g}", "middle")]
    lines += [segment("axis", x.start, y.start, x.end, y.start)]
    lines += [text("tick", 0, 14, "TFLOP/s, predicted")]
    return [*lines, text("tick", x.end, y.start + 36, "FLOP per byte of memory traffic", "end")]


def _roof(roof: Roof, x: Scale, y: Scale, own: bool) -> str:
    """The slope that memory sets and the flat roof that the engine's arithmetic sets."""
    kind, style = ("roof", "") if own else ("level", ' stroke-dasharray="5 4"')
    ridge = roof.tflops * 1e3 / roof.bandwidth
    start = max(x.low, y.low * 1e3 / roof.bandwidth)
    flat = min(max(ridge, x.low), x.high)
    parts = [segment(kind, x(flat), y(roof.tflops), x.end, y(roof.tflops), style)]
    if start < flat:
        foot, top = bound(roof, start), bound(roof, flat)
        parts.append(segment(kind, x(start), y(foot), x(flat), y(top), style))
    return "".join(parts)


def _labels(roofs: Sequence[Roof], x: Scale, y: Scale) -> list[str]:
    """The roofs' names at their right ends, the highest first, each clear of the one above it."""
    lines, free = [], 0.0
    for roof in sorted(roofs, key=lambda roof: -roof.tflops):
        at = max(y(roof.tflops) + 4, free)
        kind = "name" if roof is roofs[0] else "tick"
        lines.append(text(kind, x.end + 5, at, f"{roof.chip} {roof.tflops:.3g}"))
        free = at + _LINE
    return lines


def _point(case: Case, own: Roof, x: Scale, y: Scale) -> str:
    at, ceiling = x(case.fused), bound(own, case.streamed)
    said = f"{case.label}: {case.fused:.4g} FLOP per byte, {case.expected:.3g} TFLOP/s"
    band = f"({case.low:.3g} to {case.high:.3g}), predicted"
    streamed = f"{case.label}, every operation through memory: at most {ceiling:.3g} TFLOP/s"
    return "".join(
        [
            segment("line", at, y(case.low), at, y(case.high), ' stroke-width="2"'),
            dot("mark", at, y(case.expected), 4.5, f"{said} {band}"),
            dot("hollow", x(case.streamed), y(ceiling), 4, streamed),
        ]
    )


def _names(found: Sequence[Case], x: Scale, y: Scale) -> list[str]:
    """The names at the points, and where several lie in one place, of the first: all say theirs on hover."""
    places: dict[tuple[float, float], Case] = {}
    for case in found:
        at = x(case.fused), y(case.expected)
        if all(math.dist(at, other) > _NEAR for other in places):
            places[at] = case
    named = [(point, case.label.replace(".mlpackage", "")) for point, case in places.items()]
    sizes = [(_LETTER * len(name), _LINE) for _, name in named]
    frame = Box(_LEFT, y.start - 0.45 * (y.start - y.end), WIDTH - _RIGHT, y.start)
    lines, names = [], []
    for (point, name), box in zip(named, place(list(places), sizes, frame, 5), strict=True):
        lines.append(segment("leader", *point, *box.nearest(point)))
        names.append(label("tick", box, point, name))
    return [*lines, *names]
