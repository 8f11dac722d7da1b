"""A plain SVG document: self-contained, no style sheet, no script."""

import xml.etree.ElementTree as ET

FONT, LETTER, LINE = 11, 6.3, 13.0  # pixels: size, width of a letter, height of a line
GRID, INK, QUIET = "#e2e8f0", "#0f172a", "#64748b"
_FAMILY = "Helvetica, Arial, sans-serif"


def document(width: int, height: int, title: str, description: str) -> ET.Element:
    """A white page with a title and a description for those who cannot see it."""
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "role": "img",
        "width": str(width), "height": str(height), "font-family": _FAMILY, "font-size": str(FONT),
    })  # fmt: skip
    ET.SubElement(root, "title").text = printable(title)
    ET.SubElement(root, "desc").text = printable(description)
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    return root


def printable(words: str) -> str:
    """Words without control characters, which XML does not allow."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def to_text(root: ET.Element) -> str:
    """The document as text."""
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def line(
    parent: ET.Element, start: tuple[float, float], end: tuple[float, float], colour: str = INK, *,
    width: float = 1, dash: str = "",
) -> None:  # fmt: skip
    """A straight line between two points (x, y) in pixels."""
    (x1, y1), (x2, y2) = start, end
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    more = {"stroke-dasharray": dash} if dash else {}
    ET.SubElement(parent, "line", {**ends, "stroke": colour, "stroke-width": f"{width:g}", **more})


def text(
    parent: ET.Element, at: tuple[float, float], words: str, anchor: str = "start", colour: str = INK, *,
    size: int = FONT, weight: str = "normal",
) -> None:  # fmt: skip
    """Words at a point on their base line."""
    ET.SubElement(parent, "text", {
        "x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", "text-anchor": anchor, "fill": colour,
        "font-size": str(size), "font-weight": weight,
    }).text = printable(words)  # fmt: skip


def dot(
    parent: ET.Element, at: tuple[float, float], colour: str, words: str = "", radius: float = 4.5
) -> None:
    """A filled circle that says `words` under the pointer."""
    circle = ET.SubElement(parent, "circle", {
        "cx": f"{at[0]:.1f}", "cy": f"{at[1]:.1f}", "r": f"{radius:g}", "fill": colour,
    })  # fmt: skip
    if words:
        ET.SubElement(circle, "title").text = printable(words)
