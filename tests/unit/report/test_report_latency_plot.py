import math
import xml.etree.ElementTree as ET

import pytest

from pipersr_build.benchmark.latency import roofline
from pipersr_build.report.latency_plot import Bar, roofline_plot, variants_plot

NS = {"svg": "http://www.w3.org/2000/svg"}
BARS = [
    Bar("blocks=2", 2, 3, 4, "yes"),
    Bar("blocks=6", 10, 20, 40, "within the band"),
    Bar("none", *[math.nan] * 3),
]


def texts(root):
    return [element.text for element in root.findall(".//svg:text", NS)]


def test_the_roofline_has_every_case_and_lies_in_its_frame():
    roof = roofline()
    root = ET.fromstring(roofline_plot(roof))
    dots = root.findall(".//svg:circle", NS)
    assert len(dots) == len(roof.points)
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(0 < float(dot.get("cx")) < width and 0 < float(dot.get("cy")) < height for dot in dots)
    for point in roof.points:
        assert f"{point.what}, {point.ms:g} ms" in texts(root)


def test_a_case_above_the_slope_is_drawn_above_it():
    roof = roofline()
    root = ET.fromstring(roofline_plot(roof))
    slope = next(
        line
        for line in root.findall(".//svg:line", NS)
        if line.get("x1") != line.get("x2") and line.get("y1") != line.get("y2")
    )
    x1, y1, x2, y2 = (float(slope.get(key)) for key in ("x1", "y1", "x2", "y2"))
    for dot, above in zip(root.findall(".//svg:circle", NS)[:4], [False, False, False, True], strict=True):
        x, y = float(dot.get("cx")), float(dot.get("cy"))
        on_slope = y1 + (y2 - y1) * (x - x1) / (x2 - x1)
        assert (y < on_slope) == above


def test_variants_are_drawn_in_order_with_their_target():
    root = ET.fromstring(variants_plot(BARS, "t", 1e3 / 60))
    words = texts(root)
    assert words.index("blocks=2") < words.index("blocks=6")
    assert "no rate known" in words
    assert "60 frames/s" in words
    first, second = (float(dot.get("cx")) for dot in root.findall(".//svg:circle", NS))
    assert first < second


def test_names_are_escaped_and_long_ones_shortened():
    root = ET.fromstring(variants_plot([Bar("<a>&" + "x" * 99, 1, 2, 3)], "t\x00"))
    assert any(text.startswith("<a>&x") and text.endswith("…") for text in texts(root))


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        variants_plot(BARS[2:], "t")
