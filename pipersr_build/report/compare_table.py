"""The tables of `compare` for the terminal."""

import re
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipersr_build.report import format as fmt
from pipersr_build.report.compare_record import SETS, Change, Changes, Comparison, Row
from pipersr_build.report.table import printable

NONE = "–"
_RESIDENT = {True: "all ANE", False: "not all ANE", None: "not known"}
_DIGEST = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")  # of a commit or SHA-256
_LONGEST = 60  # characters of a value that changed


def networks_table(found: Comparison) -> Table:
    """A row of two lines for each network: what is trained above what is deployed, ours above published."""
    title = (
        f"{found.frame}, {found.target}; placement and latency predicted for {found.chip}; "
        f"PSNR {found.protocol}, dB"
    )
    table = _table(title, notes(found))
    table.add_column("network", overflow="fold")
    for name in ("parameters\ndeployed", "GFLOP", "operations\nfused", "package\nplacement",
                 "expected ms\nband", *(f"{name}\npublished" for name in SETS)):  # fmt: skip
        table.add_column(name, justify="right")
    for row in found.rows:
        if row.error:
            table.add_row(printable(row.name), printable("no package", "yellow"), *[""] * (4 + len(SETS)))
        else:
            table.add_row(printable(row.name), *map(_lines, cells(row, found)))
    return table


def cells(row: Row, found: Comparison) -> list[tuple[str, str]]:
    """The two lines of each column but the first."""
    frame = "" if f"{row.width}x{row.height}" == found.frame else f"{row.width}x{row.height}"
    return [
        (_count(row.parameters_trained), _count(row.parameters)),
        ("" if row.gflop is None else f"{row.gflop:,.4g}", frame),
        (_count(row.operations_trained), _count(row.operations)),
        ("" if row.bytes is None else fmt.megabytes(row.bytes), _placement(row, found)),
        band(row),
        *(quality(row, name, found.protocol) for name in SETS),
    ]


def _placement(row: Row, found: Comparison) -> str:
    """Where the package is predicted to run, with the numbers of the footnotes that dispute it."""
    marks = [_mark(n) for n, text in enumerate(_disputed(found), 1) if text in row.disputed]
    return _RESIDENT[row.resident] + " ".join(marks)


def _mark(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _disputed(found: Comparison) -> list[str]:
    """The footnotes on placement, each once."""
    return list(dict.fromkeys(text for row in found.rows for text in row.disputed))


def band(row: Row) -> tuple[str, str]:
    """The expected latency and the band, in ms."""
    one = row.latency
    if one is None or one.expected is None:
        return "no rate known", ""
    return f"{one.expected:.3g}", f"{one.low:.3g} to {one.high:.3g}"


def quality(row: Row, dataset: str, protocol: str) -> tuple[str, str]:
    """What was measured, and what was published, on a test set."""
    score, known = row.score(dataset, protocol), row.known(dataset, protocol)
    ours = fmt.NOT_MEASURED if score is None else f"{score.psnr:.3f}"
    return ours, NONE if known is None else f"{known.psnr:.2f}"


def notes(found: Comparison) -> list[str]:
    """What a reader must know: the footnotes, why there is no package, and whose figures these are."""
    lines = [f"{_mark(number)} {text}" for number, text in enumerate(_disputed(found), 1)]
    lines += [f"{row.name}: {row.error}" for row in found.rows if row.error]
    for row in found.rows:
        origins = {(s.training, s.origin) for s in row.measured if s.protocol == found.protocol}
        lines += [
            f"{row.name}: measured by {origin}" + (f", weights trained for {training}" if training else "")
            for training, origin in sorted(origins)
        ]
    if any(row.published for row in found.rows):
        lines.append("published: by others, scored in ways of their own; the JSON says how, and where")
    return lines + _to_measure([row for row in found.rows if not row.measured and not row.error])


def _to_measure(rows: Sequence[Row]) -> list[str]:
    """What measures networks, and files, of which no record speaks: the commands for the first of each."""
    network = next((row.name for row in rows if row.kind == "network"), None)
    file = next((row.name for row in rows if row.kind != "network"), None)
    train = f"to measure PSNR: pipersr-build train model={network} …, export, evaluate"
    evaluate = f"to measure PSNR of files: pipersr-build evaluate …{file} evaluation.folder=…"
    return ([train] if network else []) + ([evaluate] if file else [])


def changes_table(found: Changes) -> Group:
    """The figures that are asked first, and what is not the same in two exports, part by part."""
    same = ", ".join(f"{number} of {part}" for part, number in found.same.items() if number)
    shown = _table("", [f"the same: {same}"] if same else [])
    for name in ("", found.before, found.after, "difference"):
        shown.add_column(printable(name), overflow="fold", justify="left" if not name else "right")
    for title, changes in by_part([*found.glance, *found.changes]).items():
        shown.add_row(printable(title, "bold"))
        for change in changes:
            values = (value(change.before), value(change.after), difference(change))
            shown.add_row(printable(f"  {change.key}"), *map(printable, values))
        shown.add_section()
    return Group(printable(f"{found.before} → {found.after}: {told(found)}", "bold"), shown)


def by_part(changes: Sequence[Change]) -> dict[str, list[Change]]:
    """The changes under the part that they belong to, in order."""
    parts: dict[str, list[Change]] = {}
    for change in changes:
        parts.setdefault(change.part, []).append(change)
    return parts


def told(found: Changes) -> str:
    """How much changed, in words: `3 values changed (2 quality, 1 gates)`."""
    if not found.changes:
        return "nothing that is recorded changed"
    counts = {part: len(changes) for part, changes in by_part(found.changes).items()}
    total = len(found.changes)
    of = ", ".join(f"{count} {part}" for part, count in counts.items())
    return f"{total} {'value' if total == 1 else 'values'} changed ({of})"


def value(found: Any) -> str:
    """A value of a record in words, cut where it is long."""
    words = NONE if found is None else found if isinstance(found, str) else fmt.plain(found)
    words = words[:12] + "…" if _DIGEST.fullmatch(words) else words
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def difference(change: Change) -> str:
    """How much a number changed, or in what way something did; empty where a word says nothing more."""
    before, after = change.before, change.after
    if before == after:
        return "the same"
    if before is None or after is None:
        return "new" if before is None else "gone"
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (before, after)):
        return ""
    return f"{after - before:+,.4g}" if isinstance(after - before, float) else f"{after - before:+,}"


def _lines(pair: tuple[str, str]) -> Text:
    return printable(pair[0]) + Text("\n") + printable(pair[1], "dim")


def _count(number: int | None) -> str:
    return NONE if number is None else fmt.count(number)


def _table(title: str, below: Sequence[str]) -> Table:
    caption = Text("\n").join(map(printable, below)) if below else None
    return Table(title=printable(title), title_justify="left", caption=caption, caption_justify="left",
                 caption_style="", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)  # fmt: skip
