"""Charts as SVG text: no script, no outside font, colours left to the page's style sheet.

Every function is pure. Colours come from CSS classes (`line`, `grid`, `level`, …), with presentation
attributes as a fallback where no style sheet is present; all text is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pipersr_build.report.shapes import dot, drawing, segment, text

WIDTH, HEIGHT = 460, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 24, 26, 42

Point = tuple[float, float]


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with, and what it is."""

    value: float
    label: str


@dataclass(frozen=True)
class Scale:
    """One axis: the values at its two ends, where they lie, and its ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """The coordinate of `value`."""
        low, high, here = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (here - low) / (high - low)

    def words(self, tick: float) -> str:
        """A tick's number; on a linear axis all have as many digits behind the point."""
        if self.log:
            return f"{tick:,.6g}"
        digits = max((len(f"{one:.6g}".partition(".")[2]) for one in self.ticks), default=0)
        return f"{tick:,.{digits}f}"


def line_chart(
    points: Sequence[Point],
    *,
    key: str,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
    level: Level | None = None,
    log_y: bool = False,
    marks: bool = False,
) -> str:
    """A line through `points` with axes and ticks, as one `<svg>` element.

    Args:
        points: (x, y) in the order they are joined; those that are not finite are left out, and with
            `log_y` also those that are not positive.
        key: unique in the page, for the identifiers that tie title and description to the chart.
        title: what the chart shows; shown and read by screen readers.
        description: what is to be seen in it, for who cannot see it.
        x_label: the horizontal axis's name.
        y_label: the vertical axis's name and unit.
        level: a line to compare with.
        log_y: whether the vertical axis is logarithmic.
        marks: whether every point gets a dot that names its values.

    Raises:
        ValueError: no point can be drawn.
    """
    drawn = [p for p in points if all(map(math.isfinite, p)) and (p[1] > 0 or not log_y)]
    if not drawn:
        raise ValueError("a line chart needs at least one finite point")
    x, y = _scales(drawn, level, log_y)
    body = [*_grid(x, y), *_labels(title, x_label, y_label), *_level(level, y), _path(drawn, x, y)]
    if marks:
        body += [_mark(point, x, y, x_label, y_label) for point in drawn]
    return drawing("chart", key, title, description, body, (WIDTH, HEIGHT))


def strip(cells: Sequence[tuple[str, str]], *, key: str, title: str, description: str) -> str:
    """A row of cells, one per item in order: each (CSS class, what a pointer resting on it reads)."""
    body = [
        f'<rect class="{escape(kind)}" x="{index}" y="0" width="0.84" height="1">'
        f"<title>{escape(words)}</title></rect>"
        for index, (kind, words) in enumerate(cells)
    ]
    return drawing("strip", key, title, description, body, (max(len(cells), 1), 1), stretch=True)


def linear_ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Round values (steps of 1, 2 or 5 times a power of ten) inside [low, high], about `most` of them."""
    step = _round_step((high - low) / most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """1, 2 and 5 times the powers of ten inside [low, high]; only the powers if those are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = (float(f"{factor}e{power}") for power in powers for factor in factors)
    return tuple(tick for tick in ticks if low <= tick <= high)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _scales(points: Sequence[Point], level: Level | None, log_y: bool) -> tuple[Scale, Scale]:
    xs = [x for x, _ in points]
    ys = [y for _, y in points] + ([level.value] if level else [])
    left, right = (min(xs), max(xs)) if min(xs) < max(xs) else (min(xs) - 1, max(xs) + 1)
    low, high = _padded(min(ys), max(ys), log_y)
    ticks = log_ticks(low, high) if log_y else linear_ticks(low, high)
    return (
        Scale(left, right, _LEFT, WIDTH - _RIGHT, linear_ticks(left, right, 4)),
        Scale(low, high, HEIGHT - _BOTTOM, _TOP, ticks, log_y),
    )


def _padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """A range a little larger than the data's, so that no line runs along the chart's edge."""
    if log:
        return low / 1.15, high * 1.15
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _grid(x: Scale, y: Scale) -> list[str]:
    lines = []
    for tick in y.ticks:
        lines.append(segment("grid", x.start, y(tick), x.end, y(tick)))
        lines.append(text("tick", x.start - 8, y(tick) + 4, y.words(tick), "end"))
    for tick in x.ticks:
        lines.append(segment("grid", x(tick), y.start, x(tick), y.start + 4))
        lines.append(text("tick", x(tick), y.start + 18, x.words(tick), "middle"))
    lines.append(segment("axis", x.start, y.start, x.end, y.start))
    return lines


def _labels(title: str, x_label: str, y_label: str) -> list[str]:
    return [
        text("name", _LEFT, 14, title, "start"),
        text("tick", WIDTH - _RIGHT, 14, y_label, "end"),
        text("tick", WIDTH - _RIGHT, HEIGHT - 6, x_label, "end"),
    ]


def _level(level: Level | None, y: Scale) -> list[str]:
    if level is None:
        return []
    at = y(level.value)
    # under the line if there is room, because the curve is usually above it
    text_at = at + 15 if at + 20 < y.start else at - 6
    return [
        segment("level", _LEFT, at, WIDTH - _RIGHT, at, ' stroke-dasharray="5 4"'),
        text("tick", WIDTH - _RIGHT, text_at, level.label, "end"),
    ]


def _path(points: Sequence[Point], x: Scale, y: Scale) -> str:
    steps = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in points)
    return f'<polyline class="line" fill="none" stroke="currentColor" stroke-width="2" points="{steps}"/>'


def _mark(point: Point, x: Scale, y: Scale, x_label: str, y_label: str) -> str:
    words = f"{x_label} {point[0]:,.6g}: {point[1]:.2f} {y_label}"
    return dot("mark", x(point[0]), y(point[1]), 3.2, words)
