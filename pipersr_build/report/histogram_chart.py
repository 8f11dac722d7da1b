"""Histograms of activations: how many values of which magnitude, against the limits of fp16."""

import math
from collections.abc import Sequence

from pipersr_build.evidence.figures import Activations, Histogram
from pipersr_build.report.charts import Scale
from pipersr_build.report.placement_facts import percent
from pipersr_build.report.shapes import box, drawing, segment, text

LEAST_NORMAL, LARGEST = 2.0**-14, 65504.0
LARGEST_SUM = 32768.0  # see inspection.inspect
WIDTH = 460
_LEFT, _RIGHT, _TOP, _BOTTOM, _BARS = 14, 10, 54, 40, 150
_NAMES, _ROW, _RIDGE = 122, 17, 15  # of the chart of every operation
_TOP_EXPONENT = 17
_TICKS = range(-24, 17, 4)


def total(found: Activations) -> Histogram:
    """All operations' values together; its sums are the largest bound of any convolution."""
    counts = [sum(column) for column in zip(*(op.counts for op in found.operations), strict=True)]
    sums = [op.sums for op in found.operations if op.sums is not None]
    return Histogram(
        name="all operations",
        operator="",
        counts=counts,
        zeros=sum(op.zeros for op in found.operations),
        largest=max(op.largest for op in found.operations),
        sums=max(sums) if sums else None,
    )


def subnormal_share(one: Histogram, first: int) -> float:
    """Of all values the share that is not zero and nearer to it than fp16's normal numbers."""
    below = sum(one.counts[: max(0, -14 - first)])
    return below / max(sum(one.counts) + one.zeros, 1)


def share(part: float) -> str:
    """A share in per cent; what is less than a tenth of one says so."""
    return "under 0.1 %" if 0 < part < 1e-3 else percent(part)


def power(exponent: int) -> str:
    """A power of two as it is written: `2⁻¹⁴`."""
    return "2" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def histogram_chart(found: Activations, *, key: str) -> str:
    """All operations' values as bars, a bar for each power of two."""
    whole = total(found)
    x = _scale(found, _LEFT, WIDTH - _RIGHT)
    floor, most = _TOP + _BARS, max(whole.counts) or 1
    body = [*_zones(x, _TOP, floor), text("tick", x.start + 5, _TOP + 15, "subnormal")]
    everything = max(sum(whole.counts) + whole.zeros, 1)
    for index, number in enumerate(whole.counts):
        exponent, tall = found.first + index, _BARS * number / most
        words = f"{power(exponent)} to {power(exponent + 1)}: {share(number / everything)} of all values"
        if number:
            wide = x(exponent + 1) - x(exponent) - 1
            body.append(box("bar", x(exponent) + 0.5, floor - tall, wide, tall, words))
    body += [*_limits(x, floor), *_axis(x, floor)]
    words = f"largest value {whole.largest:.4g}, {share(subnormal_share(whole, found.first))} subnormal"
    return drawing("chart", key, "Activations against fp16's limits", words, body, (WIDTH, floor + _BOTTOM))


def ridge_chart(found: Activations, *, key: str) -> str:
    """A row for each operation, its values' magnitudes as a ridge and the largest value in words."""
    x = _scale(found, _NAMES, WIDTH - 52)
    top = 26
    floor = top + _ROW * len(found.operations)
    body = [text("tick", WIDTH, 12, "largest", "end"), *_zones(x, top, floor)]
    body += [_ridge(op, found.first, x, top + _ROW * (i + 1)) for i, op in enumerate(found.operations)]
    for limit in (LEAST_NORMAL, LARGEST):
        body.append(segment("level", x(math.log2(limit)), top - 6, x(math.log2(limit)), floor))
    words = "; ".join(f"{op.operator} {op.name}: {op.largest:.3g}" for op in found.operations)
    return drawing(
        "chart", key, "Activations of every operation", words, [*body, *_axis(x, floor)],
        (WIDTH, floor + _BOTTOM),
    )  # fmt: skip


def _scale(found: Activations, start: float, end: float) -> Scale:
    return Scale(found.first, _TOP_EXPONENT, start, end, tuple(map(float, _TICKS)))


def _zones(x: Scale, top: float, floor: float) -> list[str]:
    """What fp16 holds with fewer digits, and what it cannot hold."""
    low, high = x(math.log2(LEAST_NORMAL)), x(math.log2(LARGEST))
    return [
        box("zone", x.start, top, low - x.start, floor - top, "subnormal: fewer digits, or zero"),
        box("zone zone-bad", high, top, x.end - high, floor - top, "beyond the largest fp16 number"),
    ]


def _limits(x: Scale, floor: float) -> list[str]:
    lines = []
    for limit, words, y, anchor in (
        (LEAST_NORMAL, "least normal 6.1e-05", _TOP - 12, "middle"),
        (LARGEST_SUM, "engine's sums 32,768", _TOP - 12, "end"),
        (LARGEST, "fp16's largest 65,504", _TOP - 30, "end"),
    ):
        at = x(math.log2(limit))
        lines += [segment("level", at, y + 4, at, floor, ' stroke-dasharray="5 4"')]
        lines += [text("tick", at + (0 if anchor == "middle" else 4), y, words, anchor)]
    return lines


def _axis(x: Scale, floor: float) -> list[str]:
    lines = [segment("axis", x.start, floor, x.end, floor)]
    for tick in x.ticks:
        lines += [segment("grid", x(tick), floor, x(tick), floor + 4)]
        lines += [text("tick", x(tick), floor + 17, power(int(tick)), "middle")]
    return [*lines, text("tick", x.end, floor + 34, "absolute value", "end")]


def _ridge(op: Histogram, first: int, x: Scale, floor: float) -> str:
    most = max(op.counts) or 1
    steps = "".join(
        f"V{floor - (_RIDGE * n / most):.1f}H{x(first + i + 1):.1f}" for i, n in enumerate(op.counts)
    )
    name = op.name if len(op.name) <= 10 else f"{op.name[:9]}…"
    return "".join(
        [
            f'<path class="ridge" d="M{x(first):.1f} {floor:.1f}{steps}V{floor:.1f}Z"/>',
            text("tick", 0, floor - 3, f"{op.operator} {name}"),
            text("tick", WIDTH, floor - 3, f"{op.largest:.3g}", "end"),
        ]
    )


def rows(found: Activations) -> Sequence[tuple[Histogram, float, float]]:
    """Every operation with its share of zeros and of subnormal numbers, for the table."""
    return [
        (op, op.zeros / max(sum(op.counts) + op.zeros, 1), subnormal_share(op, found.first))
        for op in found.operations
    ]
