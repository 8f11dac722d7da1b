"""The latency check as Markdown: the table of published figures, and the claim of bandwidth."""

from pipersr_build.benchmark.latency import Counted, LatencyCheck, Row, held_out


def table(record: LatencyCheck) -> str:
    """Every row as Markdown, the counted ones first, and what they imply."""
    lines = [
        "| case | chip | GFLOP | published | estimate (band) | error | inside | bound by |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    order: tuple[Counted, ...] = ("counted", "defines a rate", "excluded")
    for kind in order:
        lines += [_line(row) for row in record.rows if row.counted == kind]
    return "\n".join([*lines, "", *_summary(record)])


def _line(row: Row) -> str:
    mark = {
        "counted": "yes" if row.inside else "**no**",
        "defines a rate": "(defines)",
        "excluded": "(excluded)",
    }
    note = f" ({row.note})" if row.note else ""
    return (
        f"| {row.what}{note} | {row.chip} | {_three(row.gflop)} | {row.published:.3g} ms, {row.evidence} "
        f"| {row.expected:.3g} ms ({row.low:.3g} to {row.high:.3g}) | {100 * row.error:+.0f} % "
        f"| {mark[row.counted]} | {row.bound} |"
    )


def _summary(record: LatencyCheck) -> list[str]:
    lines = []
    for regime, factor in record.errors.items():
        rows = [row for row in record.rows if row.counted == "counted" and row.regime == regime]
        inside, count, (held, _) = sum(row.inside for row in rows), len(rows), held_out(rows, regime)
        middle = sorted(abs(row.error) for row in rows)[count // 2]
        lines.append(
            f"{regime.capitalize()}: {inside} of {count} counted rows inside, {held} with the factor "
            f"that the other networks give; median error {100 * middle:.0f} %; factor {factor:.2f} "
            f"by the rule."
        )
    lines += ["", "Published and not computed:", ""]
    return lines + [f"- {item['what']} ({item['source']}): {item['why']}." for item in record.unchecked]


def claim_table(record: LatencyCheck) -> str:
    """The claim of bandwidth, case by case."""
    roof = record.roofline
    lines = ["| case at 640x360 | GFLOP | MB | FLOP per byte | claimed | TFLOP/s | of the stream's roof |",
             "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for p in roof.points:
        reached = p.tflops * 1e3 / (p.intensity * roof.bandwidth)
        lines.append(
            f"| {p.what} | {_three(p.gflop)} | {_three(p.megabytes)} | {_three(p.intensity)} | {p.ms:.3g} ms "
            f"| {p.tflops:.3g} | {100 * reached:.0f} % |"
        )
    return "\n".join([
        *lines, "",
        f"At {roof.bandwidth:g} GB/s the frame would take {roof.streamed:.0f} ms if every operation's maps "
        f"went through memory, {roof.convolutions:.0f} ms with the convolutions' alone; claimed are "
        f"{roof.claimed:g} ms.",
    ])  # fmt: skip


def _three(value: float) -> str:
    """Three digits, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
