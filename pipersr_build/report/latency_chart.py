"""Predicted latencies of one package as a band for every chip."""

from collections.abc import Sequence

from pipersr_build.evidence import Latency
from pipersr_build.report.charts import Scale, log_ticks
from pipersr_build.report.placement_facts import milliseconds
from pipersr_build.report.shapes import box, dot, drawing, segment, text

WIDTH = 460
_LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 66, 66, 44, 20, 36
_RATES = (120, 60, 30)  # frames per second, for which a line is drawn


def common_range(bands: Sequence[Latency]) -> tuple[float, float]:
    """The range in ms that all these bands fit in."""
    return min(band.low for band in bands) / 1.15, max(band.high for band in bands) * 1.15


def latency_chart(
    bands: Sequence[Latency], within: tuple[float, float], *, key: str, title: str, chosen: str, video: bool
) -> str:
    """A row for each chip: the band, a dot at the expected time, and that time in words.

    Args:
        bands: at least one.
        within: the axis in ms.
        key: unique in the page.
        title: names the package.
        chosen: the chip that the export was placed for, which is set off.
        video: whether lines for frame rates are drawn.
    """
    floor = _TOP + _ROW * len(bands)
    x = Scale(*within, _LEFT, WIDTH - _RIGHT, log_ticks(*within), log=True)
    body = [text("name", 0, 14, title), *_axis(x, floor)]
    body += _rates(x, floor) if video else []
    body += [_band(band, x, _TOP + _ROW * (i + 0.5), band.chip == chosen) for i, band in enumerate(bands)]
    words = "; ".join(f"{b.chip} {milliseconds(b.expected)}" for b in bands)
    return drawing("chart", key, f"{title}: predicted latency", words, body, (WIDTH, floor + _BOTTOM))


def _axis(x: Scale, floor: float) -> list[str]:
    lines = []
    for tick in x.ticks:
        lines += [segment("grid", x(tick), _TOP, x(tick), floor + 4)]
        lines += [text("tick", x(tick), floor + 17, f"{tick:g}", "middle")]
    return [*lines, text("tick", WIDTH, floor + 32, "ms for one call, predicted", "end")]


def _rates(x: Scale, floor: float) -> list[str]:
    lines = []
    for rate in _RATES:
        if x.low < 1e3 / rate < x.high:
            at = x(1e3 / rate)
            lines += [segment("level", at, _TOP - 6, at, floor, ' stroke-dasharray="5 4"')]
            lines += [text("tick", at, _TOP - 10, f"{rate}/s", "middle")]
    return lines


def _band(band: Latency, x: Scale, y: float, chosen: bool) -> str:
    kind = "name" if chosen else "tick"
    words = (
        f"{band.chip}: {milliseconds(band.expected)}, {milliseconds(band.low)} to {milliseconds(band.high)}"
    )
    return "".join(
        [
            text(kind, _LEFT - 8, y + 4, band.chip, "end"),
            box("band", x(band.low), y - 4, x(band.high) - x(band.low), 8, words, round_=4),
            dot("mark", x(band.expected), y, 4, words),
            text(kind, WIDTH, y + 4, milliseconds(band.expected), "end"),
        ]
    )
