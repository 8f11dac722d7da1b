"""Pieces of the page's drawings as SVG text; colours come from the style sheet's classes, text is escaped."""

from collections.abc import Sequence
from html import escape

from pipersr_build.report.labels import Box


def drawing(
    kind: str,
    key: str,
    title: str,
    description: str,
    body: Sequence[str],
    size: tuple[int, int],
    *,
    stretch: bool = False,
) -> str:
    """One `<svg>` element that screen readers read as a picture with a title and a description.

    Args:
        kind: its CSS class.
        key: unique in the page.
        title: what it shows.
        description: what is to be seen in it.
        body: the elements inside.
        size: width and height of its coordinates.
        stretch: whether it takes any shape that the style sheet gives it.
    """
    key, title, description = escape(key), escape(title), escape(description)
    box = f'viewBox="0 0 {size[0]} {size[1]}"' + (' preserveAspectRatio="none"' if stretch else "")
    head = (
        f'<svg class="{kind}" {box} role="img" aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{title}</title><desc id="{key}-desc">{description}</desc>'
    )
    return "\n".join([head, *body, "</svg>"])


def segment(kind: str, x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    """A straight line."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" stroke="currentColor" {ends}{more}/>'


def text(kind: str, x: float, y: float, words: str, anchor: str = "start") -> str:
    """Words at a point on their base line."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def label(kind: str, place: Box, point: tuple[float, float], words: str) -> str:
    """The name of a point in the place that was found for it, written away from the point.

    However wide the reader's font is, it then grows away from what it names.
    """
    if place.left >= point[0]:
        return text(kind, place.left + 1, place.bottom - 3, words)
    if place.right <= point[0]:
        return text(kind, place.right - 1, place.bottom - 3, words, "end")
    return text(kind, (place.left + place.right) / 2, place.bottom - 3, words, "middle")


def dot(kind: str, x: float, y: float, radius: float, words: str) -> str:
    """A circle that says `words` under the pointer."""
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
    return f'<circle class="{kind}" {place}><title>{escape(words)}</title></circle>'


def box(
    kind: str, x: float, y: float, width: float, height: float, words: str = "", *, round_: float = 0
) -> str:
    """A rectangle, which says `words` under the pointer if there are any."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{round_:g}"'
    return (
        f'<rect class="{kind}" {place}><title>{escape(words)}</title></rect>'
        if words
        else (f'<rect class="{kind}" {place}/>')
    )
