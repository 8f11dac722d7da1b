import math
import xml.etree.ElementTree as ET

import pytest

from pipersr_build.report import charts

TEXT = {"key": "k", "title": "A <b>", "description": 'x & "y"', "x_label": "step", "y_label": "dB"}


def drawn(points, **more):
    return ET.fromstring(charts.line_chart(points, **TEXT, **more))


def test_chart_is_well_formed_and_described():
    root = drawn([(0, 1.0), (10, 3.0)])
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "k-title k-desc"
    assert root.find("title").text == "A <b>"
    assert root.find("desc").text == 'x & "y"'


def test_line_lies_inside_the_chart_and_rises():
    root = drawn([(0, 1.0), (5, 2.0), (10, 3.0)], level=charts.Level(0.5, "bicubic"))
    points = [tuple(map(float, p.split(","))) for p in root.find("polyline").attrib["points"].split()]
    assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in points)
    assert points[0][1] > points[1][1] > points[2][1]
    level = next(line for line in root.iter("line") if line.attrib["class"] == "level")
    assert float(level.attrib["y1"]) > points[0][1]


def test_marks_name_their_values():
    titles = [m.find("title").text for m in drawn([(1000, 31.254)], marks=True).iter("circle")]
    assert titles == ["step 1,000: 31.25 dB"]


@pytest.mark.parametrize("points", [[(5, 2.0)], [(0, 2.0), (9, 2.0)], [(0, 0.0)], [(0, -3.0), (1, -3.0)]])
def test_flat_and_single_lines_are_drawn(points):
    assert drawn(points).find("polyline") is not None


def test_points_that_cannot_be_drawn_are_left_out():
    root = drawn([(0, math.nan), (1, math.inf), (2, -1.0), (3, 1.0), (4, 0.1)], log_y=True)
    assert len(root.find("polyline").attrib["points"].split()) == 2
    with pytest.raises(ValueError, match="at least one finite point"):
        drawn([(0, math.nan)])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, (0, 2, 4, 6, 8, 10)),
        (29.1, 31.9, (30, 31)),
        (-0.1, 0.1, (-0.1, -0.05, 0, 0.05, 0.1)),
        (500, 20_000, (5_000, 10_000, 15_000, 20_000)),
    ],
)
def test_linear_ticks(low, high, ticks):
    assert charts.linear_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.015, 0.6, (0.02, 0.05, 0.1, 0.2, 0.5)), (1e-6, 1e3, tuple(float(f"1e{n}") for n in range(-6, 4)))],
)
def test_log_ticks(low, high, ticks):
    assert charts.log_ticks(low, high) == ticks


def test_strip_has_a_cell_for_each_item():
    svg = charts.strip([("op-yes", "1 <conv>"), ("op-no", "2")], key="s", title="t", description="d")
    root = ET.fromstring(svg)
    assert [rect.attrib["class"] for rect in root.iter("rect")] == ["op-yes", "op-no"]
    assert next(root.iter("rect")).find("title").text == "1 <conv>"
    assert list(ET.fromstring(charts.strip([], key="s", title="t", description="d")).iter("rect")) == []


def test_ticks_of_an_axis_have_as_many_digits_as_each_other():
    root = drawn([(0, 33.66), (9000, 33.75)])
    ticks = [one.text for one in root.iter("text") if one.text.startswith("33.")]
    assert "33.70" in ticks
    assert {len(tick) for tick in ticks} == {5}
