"""The latency check as Markdown: the table of published figures, and the claim of bandwidth."""

from pipersr_build.benchmark.latency import Counted, LatencyCheck, Row, Tally


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
    lines = [_fits(regime, found) for regime, found in record.tallies.items()]
    counted, inside, every, all_inside = (
        sum(getattr(found, name) for found in record.tallies.values())
        for name in ("counted", "inside", "all_rows", "all_inside")
    )
    lines += [
        f"- All: {inside} of {counted} counted rows inside, {all_inside} of {every} with the excluded ones.",
        f"- Large maps and streamed cases as one kind would have the factor {record.merged:.2f}.",
        "",
        "Published and not computed:",
        "",
    ]
    return lines + [f"- {item['what']} ({item['source']}): {item['why']}." for item in record.unchecked]


def _fits(regime: str, found: Tally) -> str:
    return (
        f"- {regime.capitalize()}: {found.inside} of {found.counted} counted rows inside, {found.held_out} "
        f"with the factor that the other networks give; median error {100 * found.median_error:.0f} %; "
        f"factor {found.factor:.2f} by the rule. With the excluded rows {found.all_inside} of "
        f"{found.all_rows} inside; counted, they would make the factor {found.all_factor:.2f}."
    )


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
