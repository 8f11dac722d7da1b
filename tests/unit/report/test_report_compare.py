import io
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipersr_build.report.compare_html import networks_html
from pipersr_build.report.compare_plot import compare_plot, dataset_of, marks_of
from pipersr_build.report.compare_record import Comparison, Latency, PublishedScore, Row, Score
from pipersr_build.report.compare_table import cells, networks_table, notes
from tests.unit.report.report_records import provenance

NS = {"svg": "http://www.w3.org/2000/svg"}


def score(dataset, psnr, protocol="y_float"):
    return Score(dataset=dataset, protocol=protocol, psnr=psnr, subject="p", origin="a/quality.json")


def known(dataset, psnr, protocol="as published"):
    return PublishedScore(dataset=dataset, protocol=protocol, psnr=psnr, source="arXiv:1")


def row(name, ms=5.0, *, measured=(), published=(), resident=True, **more):
    latency = Latency(chip="M4", low=ms / 1.4, expected=ms, high=ms * 1.5, resident=resident)
    return Row(name=name, kind="network", scale=2, width=640, height=360, census={"conv": 3}, gflop=1.5,
               bytes=9_000, resident=resident, latencies=[latency], measured=measured, published=published,
               **more)  # fmt: skip


OURS = row("ours", measured=[score("BSD100", 31.9), score("Set5", 37.0)], published=[known("BSD100", 32.1)])
THEIRS = row("theirs", 9, published=[known("BSD100", 32.4)], resident=False)
SILENT = row("silent", 20)
BROKEN = Row(name="broken", kind="network", error="operation `sort` stands in the way")
ROWS = [OURS, THEIRS, SILENT, BROKEN]


def drawn(rows, **more):
    text = compare_plot(rows, protocol="y_float", chip="M4", frame="640x360", title="A title", **more)
    return ET.fromstring(text)


def words(root):
    return " ".join(element.text or "" for element in root.iter() if element.text)


def test_measured_networks_are_filled_and_published_ones_hollow():
    root = drawn(ROWS)
    found = {c.find("svg:title", NS).text: c.get("fill") for c in root.findall(".//svg:circle", NS)
             if c.find("svg:title", NS) is not None}  # fmt: skip
    assert found["ours: 31.900 dB (measured, y_float), 5 ms"] != "#ffffff"
    assert found["theirs*: 32.400 dB (published, as published), 9 ms"] == "#ffffff"
    assert found["ours: 32.10 dB published"] == "#ffffff"
    assert len(found) == 3


def test_what_cannot_be_drawn_is_named_with_the_reason():
    text = words(drawn(ROWS))
    assert "silent (PSNR not measured, none published)" in text
    assert "broken (no package)" in text


def test_a_package_of_another_size_is_not_drawn():
    other = row("other", published=[known("BSD100", 31)]).model_copy(update={"width": 128, "height": 128})
    marks, missing = marks_of([OURS, other], "BSD100", "y_float", "640x360")
    assert [mark.name for mark in marks] == ["ours"]
    assert missing == ["other (a package of 128x128)"]


def test_scores_under_another_protocol_are_not_taken_for_ours():
    marks, _ = marks_of(
        [row("a", measured=[score("BSD100", 28, "rgb_uint8")])], "BSD100", "y_float", "640x360"
    )
    assert marks == []
    alike = row("b", published=[known("Set5", 37.5), known("Set5", 37.6, "y_float")])
    assert alike.known("Set5", "y_float").psnr == 37.6


def test_the_set_is_the_largest_that_something_was_measured_on():
    assert dataset_of(ROWS, "y_float") == "BSD100"
    assert dataset_of([row("a", measured=[score("Set14", 32)]), THEIRS], "y_float") == "Set14"
    assert dataset_of([row("a", measured=[score("mine", 32)])], "y_float") == "mine"
    assert dataset_of([THEIRS], "y_float") == "BSD100"
    assert dataset_of([], "y_float") == "BSD100"


def test_nothing_to_draw_is_a_plot_that_says_so():
    root = drawn([SILENT, BROKEN])
    assert "Not drawn" in words(root)
    assert not [c for c in root.findall(".//svg:circle", NS) if c.find("svg:title", NS) is not None]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.05, 500), st.floats(20, 45), st.one_of(st.none(), st.floats(20, 45)),
            st.text(min_size=1, max_size=40),
        ),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_every_mark_and_band_lies_in_the_page(networks):
    rows = [
        row(f"{name}{index}", ms, measured=[score("BSD100", psnr)],
            published=[known("BSD100", other)] if other else [])
        for index, (ms, psnr, other, name) in enumerate(networks)
    ]  # fmt: skip
    root = drawn(rows, bicubic=29.56)
    width, height = float(root.get("width")), float(root.get("height"))
    for circle in root.findall(".//svg:circle", NS):
        assert 0 < float(circle.get("cx")) < width
        assert 0 < float(circle.get("cy")) < height
    for line in root.findall(".//svg:line", NS):
        assert all(0 <= float(line.get(key)) <= width for key in ("x1", "x2"))
        assert all(0 <= float(line.get(key)) <= height for key in ("y1", "y2"))


@pytest.fixture
def found():
    return Comparison(provenance=provenance(), frame="640x360", target="macOS13", chip="M4",
                      protocol="y_float", rows=ROWS)  # fmt: skip


def test_files_that_nothing_was_measured_of_are_evaluated_and_not_trained(found):
    file = SILENT.model_copy(update={"name": "x4.pth", "kind": "weights"})

    def of(*rows):
        return found.model_copy(update={"rows": list(rows)})

    assert notes(of(OURS, file, BROKEN))[-1] == (
        "to measure PSNR of files: pipersr-build evaluate …x4.pth evaluation.folder=…"
    )
    assert [line for line in notes(of(file, SILENT)) if "model=silent" in line]
    assert not [line for line in notes(of(OURS, BROKEN)) if "to measure" in line]


def test_the_table_invents_nothing(found):
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(networks_table(found))
    text = console.export_text()
    assert text.count("not measured") == 7  # three sets of two networks, and Set14 of one
    assert "31.900" in text
    assert "32.10" in text
    assert "32.40" in text
    assert "broken: operation `sort` stands in the way" in text
    assert "not all ANE" in text
    assert "measured by a/quality.json" in text


def test_what_disputes_the_placement_is_a_footnote_once(found):
    own, both = "a layer is reported <slower>", "a norm is reported elsewhere"
    rows = [
        row("first", disputed=[both]), row("second", disputed=[own, both]), row("third", resident=False),
    ]  # fmt: skip
    found = found.model_copy(update={"rows": rows})
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(networks_table(found))
    text = console.export_text()
    lines = {one.name: cells(one, found)[3][1] for one in rows}
    assert lines == {"first": "all ANE¹", "second": "all ANE¹ ²", "third": "not all ANE"}
    assert "all ANE¹ ²" in text
    assert text.count(f"¹ {both}") == text.count(f"² {own}") == 1
    page = networks_html(found, "<svg></svg>")
    assert "all ANE¹ ²" in page
    assert page.count("² a layer is reported &lt;slower&gt;") == 1


def test_the_page_holds_every_source_and_escapes_names(found):
    found = found.model_copy(update={"rows": [*ROWS, row("<b>x</b>", measured=[score("Set5", 30)])]})
    page = networks_html(found, compare_plot(found.rows, protocol="y_float", chip="M4", frame="640x360",
                                             title="<i>"))  # fmt: skip
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("arXiv:1") == 2
    assert "operation `sort` stands in the way" in page
