"""A function's graph as a drawing: a row for each operation, from top to bottom, coloured by verdict.

A verdict shows in its colour, in the pattern on it, and in words.
"""

from html import escape

from pipersr_build.evidence import PlacementVerdict
from pipersr_build.report.graph_layout import Block, Layout, Row
from pipersr_build.report.shapes import box, drawing, segment, text

WIDTH = 380
MOST_ROWS = 160
_LEFT, _NODE, _HEIGHT, _PITCH, _TOP = 40, 236, 36, 46, 34
_RIGHT = _LEFT + _NODE
_LANE, _LANES = 12, 8
_TILE = 22  # of the coloured field at a row's left
_WORDS: dict[PlacementVerdict, str] = {"ane": "ANE"}

# lines over a field of 22x36, so that verdicts differ without colour too
_PATTERNS: dict[PlacementVerdict, str] = {
    "ane": "",
    "tie": "M0 12L12 0M0 24L22 2M0 36L22 14M10 36L22 24",
    "soft": "M0 6H22M0 12H22M0 18H22M0 24H22M0 30H22",
    "hard": "M0 12L12 0M0 24L22 2M0 36L22 14M10 36L22 24M10 0L22 12M0 2L22 24M0 14L22 36M0 26L10 36",
    "dynamic": "M5 0V36M11 0V36M17 0V36",
    "unknown": "M7 18H15",
}


def graph_svg(found: Layout, *, key: str, title: str, description: str) -> str:
    """The drawing of a graph that has rows, at most `MOST_ROWS` of them; `key` is unique in the page."""
    tall = _TOP + _PITCH * len(found.rows)
    body = [_inputs(found)]
    body += [_block(block) for block in found.blocks]
    body += [_step(index) for index in sorted(found.joined)]
    lanes = zip(found.arcs, found.lanes, strict=True)
    body += [_arc(first, last, min(lane, _LANES - 1)) for (first, last), lane in lanes]
    body += [_row(row, _y(index)) for index, row in enumerate(found.rows)]
    return drawing("graph", key, title, description, body, (WIDTH, tall))


def swatch(verdict: PlacementVerdict) -> str:
    """The verdict's field for a legend; screen readers pass over it."""
    return (
        f'<svg class="swatch" viewBox="0 0 {_TILE} {_TILE}" aria-hidden="true" focusable="false">'
        f"{_field(verdict, 0, 0, _TILE)}</svg>"
    )


def _y(index: int) -> float:
    """A row's top."""
    return _TOP + _PITCH * index


def _inputs(found: Layout) -> str:
    return text("tick", _LEFT + _TILE / 2, 16, ", ".join(found.inputs) or "no input")


def _row(row: Row, y: float) -> str:
    operator, verdict = row.node.operator, _WORDS.get(row.verdict, row.verdict)
    shape = " × ".join(str(n or "?") for n in row.node.shape)
    often = f", and in {row.times - 1} more such blocks" if row.times > 1 else ""
    words = f"{row.number}. {operator} {row.node.name}, {shape}: {row.verdict}{often}"
    return "".join(
        [
            f"<g><title>{escape(words)}</title>",
            box("node", _LEFT, y, _NODE, _HEIGHT, round_=4),
            _field(row.verdict, _LEFT, y, _HEIGHT),
            text("name", _LEFT + _TILE + 8, y + 15, operator),
            text("tick", _LEFT + _TILE + 8, y + 29, shape),
            text("verdict", _RIGHT - 8, y + 15, verdict, "end"),
            "</g>",
        ]
    )


def _field(verdict: PlacementVerdict, x: float, y: float, height: float) -> str:
    lines = _PATTERNS[verdict]
    over = f'<path class="pattern" d="{lines}"/>' if lines else ""
    view = f'x="{x:g}" y="{y:g}" width="{_TILE}" height="{height:g}" viewBox="0 0 {_TILE} {height:g}"'
    return f'<svg {view}><rect class="op-{verdict}" width="{_TILE}" height="{height:g}"/>{over}</svg>'


def _step(index: int) -> str:
    x, y = _LEFT + _TILE / 2, _y(index)
    return segment("flow", x, y - _PITCH + _HEIGHT if index else y - 13, x, y)


def _arc(first: int, last: int, lane: int) -> str:
    """From a row's right side around those between to another's, with an arrow's head."""
    start = _y(first) + _HEIGHT / 2 + 5 if first >= 0 else 12
    end, far = _y(last) + _HEIGHT / 2 - 5, _RIGHT + 14 + _LANE * lane
    line = f"M{_RIGHT} {start:g}H{far - 6:g}q6 0 6 6V{end - 6:g}q0 6 -6 6H{_RIGHT + 5}"
    head = f"M{_RIGHT} {end:g}l7 -3.5v7z"
    return f'<path class="arc" fill="none" d="{line}"/><path class="head" d="{head}"/>'


def _block(block: Block) -> str:
    top, bottom = _y(block.first) - 5, _y(block.last) + _HEIGHT + 5
    frame = box("block", _LEFT - 6, top, _NODE + 12, bottom - top, round_=7)
    return frame + text("times", _LEFT - 12, (top + bottom) / 2 + 4, f"×{block.times}", "end")
