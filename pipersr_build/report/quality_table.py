"""Scores as tables for the terminal: picture by picture, and their means side by side."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipersr_build.evaluation.published import BICUBIC, other_pictures
from pipersr_build.evaluation.record import Difference
from pipersr_build.evidence import Quality

_NONE = "–"


def pictures_table(rows: Sequence[Quality]) -> Table:
    """Every picture's PSNR and SSIM, a column for each method; the last row holds the means.

    Args:
        rows: the methods' scores on one test set under one protocol.
    """
    first = rows[0]
    table = _table(f"{first.dataset}, {first.scale}x, {first.protocol}: PSNR (dB), SSIM")
    table.add_column("picture", overflow="fold")
    for row in rows:
        table.add_column(_plain(row.subject), justify="right", overflow="fold")
    for index, picture in enumerate(first.images):
        scores = (row.images[index] for row in rows)
        table.add_row(_plain(picture.image), *(_score(s.psnr, s.ssim) for s in scores))
    table.add_section()
    table.add_row("mean", *(_score(row.mean_psnr, row.mean_ssim) for row in rows), style="bold")
    return table


def summary_table(rows: Sequence[Quality], differences: Sequence[Difference]) -> Table:
    """Means by test set, protocol and method, and how much they are above bicubic and what was published.

    Under the methods that can be compared with it stands the published network itself.
    """
    table = _table("Means over the pictures: PSNR (dB), SSIM")
    table.add_column("test set, protocol", overflow="fold")
    table.add_column("method", overflow="fold")
    for name in ("PSNR", "SSIM", "above\nbicubic", f"above\n{_against(differences)}"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in _groups(rows):
        for index, cells in enumerate(_summary_rows(group, differences)):
            where = f"{group[0].dataset}, {group[0].protocol}" if index == 0 else ""
            table.add_row(*map(_plain, (where, *cells)))
        table.add_section()
    table.caption = Text("\n".join(warnings(rows))) if warnings(rows) else None
    table.caption_justify, table.caption_style = "left", "yellow"
    return table


def warnings(rows: Sequence[Quality]) -> list[str]:
    """Where bicubic shows that a test set's pictures are not those of its name."""
    return [
        f"{row.dataset}, {row.protocol}: not compared with published figures, because these are other "
        f"pictures (bicubic has {row.mean_psnr:.3f} dB on them)"
        for row in rows
        if other_pictures(row)
    ]


def _summary_rows(group: Sequence[Quality], differences: Sequence[Difference]) -> Iterator[list[str]]:
    first = group[0]
    known = {d.subject: d for d in differences if (d.dataset, d.protocol) == (first.dataset, first.protocol)}
    bicubic = next((row.mean_psnr for row in group if row.subject == BICUBIC), None)
    for row in group:
        above = None if bicubic is None or row.subject == BICUBIC else row.mean_psnr - bicubic
        difference = known.get(row.subject)
        yield [row.subject, f"{row.mean_psnr:.3f}", f"{row.mean_ssim:.4f}", _gain(above),
               _gain(difference.psnr if difference else None)]  # fmt: skip
    for difference in list(known.values())[:1]:
        ssim = _NONE if difference.published_ssim is None else f"{difference.published_ssim:.4f}"
        above = None if bicubic is None else difference.published_psnr - bicubic
        psnr = f"{difference.published_psnr:.3f}"
        yield [f"published {difference.network}", psnr, ssim, _gain(above), _NONE]


def _groups(rows: Sequence[Quality]) -> list[list[Quality]]:
    groups: dict[tuple[str, str, float], list[Quality]] = {}
    for row in rows:
        groups.setdefault((row.dataset, row.protocol, row.scale), []).append(row)
    return list(groups.values())


def _against(differences: Sequence[Difference]) -> str:
    return differences[0].network if differences else "published"


def _gain(value: float | None) -> str:
    return _NONE if value is None else f"{value:+.3f}"


def _score(psnr: float, ssim: float) -> str:
    return f"{psnr:.3f}  {ssim:.4f}"


def _table(title: str) -> Table:
    return Table(
        title=_plain(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )


def _plain(words: str) -> Text:
    """Text as it stands: a name's brackets are no markup, and control characters move no cursor."""
    return Text("".join(letter if letter.isprintable() else " " for letter in words))
