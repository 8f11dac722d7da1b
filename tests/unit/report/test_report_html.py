import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_records import IMAGE, VIDEO, full, minimal, sample

from pipersr_build.errors import InputError
from pipersr_build.evidence import Evidence, FileRecord, judge
from pipersr_build.report import facts
from pipersr_build.report.card import render_card
from pipersr_build.report.html import render_html

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
VOID = {"meta", "link", "input", "img", "br", "hr"}
SUMMARY = "27 of 30 operations predicted on the ANE, 99.9 % of the FLOP, 6 of them tied; 2 hard, 1 unknown"
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Checker(HTMLParser):
    """Collects text and attributes, and refuses tags that are not closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.starts, self.words, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.starts.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.starts.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def parsed(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def section(page, name):
    """The text of one section of the page."""
    start = page.index(f'<section id="{name}"')
    return parsed(page[start : page.index("</section>", start) + len("</section>")]).text


def normalised(page):
    """The page with its pictures' bytes left out: they depend on the PNG encoder's version."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,…", page)


@pytest.mark.parametrize(("name", "record"), [("report.html", full()), ("report_minimal.html", minimal())])
def test_page_is_the_golden_one(name, record, folder):
    page = normalised(render_html(record, folder))
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (GOLDEN / name).write_text(page)
    assert page == (GOLDEN / name).read_text()


def test_page_is_the_same_every_time(folder, page):
    assert render_html(full(), folder) == page


@pytest.mark.parametrize("record", [full(), minimal()])
def test_tags_are_balanced_and_identifiers_unique(record, folder):
    page = render_html(record, folder)
    checker = parsed(page)
    assert page.lstrip().startswith("<!doctype html>")
    assert len(checker.ids) == len(set(checker.ids))


def test_every_reference_points_into_the_page(page):
    checker = parsed(page)
    named = [
        target
        for _, attrs in checker.starts
        for key in ("for", "aria-labelledby", "href")
        for target in (attrs.get(key) or "").split()
    ]
    inside = [target.removeprefix("#") for target in named if not target.startswith("data:")]
    assert len(inside) > 20
    assert set(inside) <= set(checker.ids)


def test_nothing_is_loaded(page):
    loads = [
        value
        for _, attrs in parsed(page).starts
        for key, value in attrs.items()
        if key in ("src", "href", "srcset", "data", "poster", "action")
    ]
    assert all(value.startswith(("data:", "#")) for value in loads)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    assert "default-src 'none'" in page


def test_pictures_are_named_and_sliders_labelled(page):
    starts = parsed(page).starts
    images = [attrs for tag, attrs in starts if tag == "img"]
    assert len(images) == 5 * len(full().samples)
    assert all(attrs["alt"] and attrs["width"] == "24" for attrs in images)
    ranges = {attrs["id"] for tag, attrs in starts if tag == "input" and attrs["type"] == "range"}
    labels = {attrs["for"] for tag, attrs in starts if tag == "label"}
    assert len(ranges) == len(full().samples)
    assert ranges == labels


def test_table_headers_have_a_scope(page):
    scopes = [attrs.get("scope") for tag, attrs in parsed(page).starts if tag == "th"]
    assert len(scopes) > 20
    assert set(scopes) <= {"col", "row", "colgroup"}


def test_every_gate_is_told(page):
    text = section(page, "gates")
    for gate in full().gates:
        row = " ".join([gate.name, gate.subject, facts.value_label(gate)])
        label = "not measured" if gate.verdict == "not measured" else gate.source
        assert f"{row} {label} {facts.threshold_label(gate)} {facts.verdict_label(gate)}" in text.replace(
            "  ", " "
        ), gate.name
        if gate.verdict != "pass":
            assert gate.command in text


def test_predictions_are_tagged(page):
    rows = re.findall(r"<tbody class=.*?</tbody>", page, re.DOTALL)
    predicted = [row for row in rows if '<span class="tag tag-predicted">predicted</span>' in row]
    assert len(predicted) == sum(gate.source == "predicted" for gate in full().gates)
    assert all("(predicted)" in row for row in predicted)
    assert not any("tag-measured" in row for row in predicted)
    packages = section(page, "packages")
    assert packages.count(SUMMARY + " predicted") == 2
    assert packages.count("28 of 28 operations on the ANE, 100 % of the FLOP measured") == 1
    assert packages.count("Core ML's compute plan: not measured.") == 1


def test_counts_keep_predictions_apart(page):
    head = parsed(page[: page.index("<main ")] + "</body></html>").text
    assert "3 passed 1 passed (predicted) 1 failed 1 unknown 2 not measured" in head


def test_failed_gates_stand_at_the_top(page, page_of):
    head = page[: page.index("<main ")]
    assert "1 of 8 failed" in head
    assert "49.997 dB where ≥ 50 dB is asked (misses by 0.003 dB)" in head
    assert 'class="alarm"' not in page_of(gates=full().gates[:3])


def test_headline_names_set_protocol_and_gain(page):
    head = parsed(page[: page.index("<main ")] + "</body></html>").text
    assert "31.84 dB +2.74 dB against bicubic (29.10 dB)" in head
    assert "held out, ×2, mean of 3 pictures, protocol y_float" in head
    assert "42 → 30" in head


def test_all_passed_is_said_only_if_all_did(page_of):
    assert "All 3 passed" in page_of(gates=full().gates[:3])
    assert "None of 4 failed" in page_of(gates=full().gates[:4])


def test_what_is_absent_is_said(folder):
    page = render_html(minimal(), folder)
    assert section(page, "quality").startswith("Quality Quality: not measured. Against published networks")
    assert section(page, "training") == "Training No training is recorded in this evidence."
    assert section(page, "gates") == "Gates No gate is recorded in this evidence."
    assert "<svg" not in page
    assert not re.search(r"\bNone\b|\bnan\b", parsed(page).text)


def test_parts_that_are_absent_inside_a_record(page_of):
    record = full()
    bare = record.packages[0].model_copy(update={"parity": [], "placement": None})
    trained = record.training.model_copy(update={"curve": [], "validation": [], "corpus_sha256": ""})
    page = page_of(packages=[bare], training=trained, weights_sha256="", censuses=[])
    assert "Parity: not measured." in section(page, "packages")
    assert "Placement: not measured." in section(page, "packages")
    assert "Loss curve: not recorded." in section(page, "training")
    assert "PSNR on held-out pictures during training: not measured." in section(page, "training")


def test_a_package_without_operations_has_no_strip(page_of):
    record = full().packages[0]
    empty = record.placement.model_copy(update={"operations": []})
    page = page_of(packages=[record.model_copy(update={"placement": empty})])
    assert "0 of 0 operations predicted on the ANE" in section(page, "packages")
    assert 'class="strip"' not in page


def test_many_pictures_fold_under_their_mean(page_of):
    row = full().quality[0]
    many = [row.images[0].model_copy(update={"image": f"photo {n}"}) for n in range(30)]
    text = section(page_of(quality=[row.model_copy(update={"images": many})]), "quality")
    assert "Every picture (30)" in text
    assert text.count("mean 29.10") == 2


def test_a_training_in_parts_is_told_as_a_whole(page_of):
    before = full().training.model_copy(update={"steps": 54_000, "seconds": 3_900.0, "chosen_psnr": 33.694})
    trained = full().training.model_copy(update={"before": before})
    said = section(page_of(training=trained), "training")
    assert "In 2 parts" in said
    assert "74,000 steps in 2 h 28 min in all" in said
    assert "33.69 dB" in said
    assert "parts" not in section(page_of(), "training")


def test_long_training_starts_far_below_bicubic(page):
    text = section(page, "training")
    assert "1 early point, far below the rest, is not drawn." in text
    assert "bicubic 29.10 dB" in text


def spoiled(value):
    """A record's data with every free text replaced by something hostile."""
    fixed = {
        "kind",
        "schema_version",
        "direction",
        "source",
        "verdict",
        "preferred",
        "supported",
        "contract",
        "bicubic",
        "ours",
        "truth",
    }
    if isinstance(value, dict):
        return {key: item if key in fixed else spoiled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item) for item in value]
    return EVIL if isinstance(value, str) else value


def test_hostile_text_is_escaped(folder):
    record = Evidence.model_validate(spoiled(full().model_dump()))
    page = render_html(record, folder)
    assert "<script>alert" not in page
    assert "onerror=alert(1)>" not in page
    checker = parsed(page)
    assert sum(tag == "script" for tag, _ in checker.starts) == 1
    assert not any("onerror" in attrs for _, attrs in checker.starts)
    assert EVIL in checker.text


def test_samples_must_be_there(tmp_path):
    with pytest.raises(InputError, match="a sample picture is missing") as caught:
        render_html(full(), tmp_path)
    assert "harbour_bicubic.png" in str(caught.value)
    assert caught.value.fix


def test_file_names_with_folders_and_both_packages(page):
    text = section(page, "packages")
    assert f"{IMAGE} image" in text
    assert f"{VIDEO} video" in text
    assert "0.918 MB" in text
    assert "9.8e-04 of 1" in text
    assert "identical" in text


def test_infinite_differences_are_written(page_of):
    record = full().packages[0]
    broken = record.parity[0].model_copy(update={"psnr_db": float("-inf"), "max_abs": float("inf")})
    gate = judge("parity", IMAGE, float("-inf"), "at least", 50, "dB", command="check")
    page = page_of(packages=[record.model_copy(update={"parity": [broken]})], gates=[gate])
    assert "−∞ dB" in section(page, "packages")
    assert "∞ levels of 255" in section(page, "packages")
    assert "misses by ∞ dB" in page


def test_a_single_sample(folder):
    page = render_html(full().model_copy(update={"samples": [sample("leaves")]}), folder)
    assert page.count('type="range"') == 1


def test_other_formats_have_a_section_where_there_are_some(page, page_of):
    known = full().packages[1]
    record = FileRecord(
        file="net.onnx", format="onnx", contract="video", input="1 x 3 x 8 x 8", output="1 x 3 x 16 x 16",
        runtime="ONNX 17", bytes=1_000_000, sha256="c3" * 32, census={"Conv": 14}, parity=known.parity,
    )  # fmt: skip
    with_it = page_of(files=[record])
    assert '<a href="#formats">1 file in other formats</a>' in with_it
    text = section(with_it, "formats")
    assert "net.onnx" in text
    assert "14 Conv" in text
    assert "Parity with PyTorch, 2 runs" in text
    assert 'id="formats"' not in page
    assert "| `net.onnx` |" in render_card(full().model_copy(update={"files": [record]}))
