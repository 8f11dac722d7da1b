"""Every form in which `verify` gives its answer."""

import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import compute_plan, operation, placement
from rich.console import Console

from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import Placement
from pipersr_build.placement.analysis import Analysis, FunctionAnalysis, Verification
from pipersr_build.report.placement_facts import (
    ORDER,
    percent,
    placement_summary,
    residency,
    totals_line,
    worst,
)
from pipersr_build.report.placement_github import annotations, command
from pipersr_build.report.placement_html import to_html
from pipersr_build.report.placement_json import from_json, to_json
from pipersr_build.report.placement_junit import to_junit
from pipersr_build.report.placement_terminal import bar, conclusion, package_view

GOLDEN = Path(__file__).parents[2] / "golden" / "report" / "placement.json"
CHIP = "M4 (h16)"
EVIL = "<script>alert('x')</script>[bold]\x1b[2J\x00%::error\n]]>\u202e"


def predicted(*kinds: str) -> Placement:
    operations = [operation(index, kind) for index, kind in enumerate(kinds)]
    return Placement(
        source="predicted", basis="rules for M4", operations=operations, warnings=["end otherwise"]
    )


def verification(*functions: FunctionAnalysis, **more) -> Verification:
    analyses = [Analysis(Path("packages/net.mlpackage"), functions, **more.pop("analysis", {}))]
    return Verification(analyses, ["net.mlpackage"], CHIP, **more)


def only(*kinds: str) -> FunctionAnalysis:
    return FunctionAnalysis("main", predicted(*kinds))


def both() -> FunctionAnalysis:
    return FunctionAnalysis("main", placement(), compute_plan().model_copy(update={"function": "main"}))


def shown(found: Verification, width: int = 150) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width)
    for name, analysis in found.named:
        for part in (*package_view(analysis, name, found.chip), conclusion(analysis, name, found)):
            console.print(part)
    return text.getvalue()


# ---- counts and sentences


def test_ties_are_resident_and_shares_are_of_the_work():
    counts = residency(placement())
    assert (counts.operations, counts.resident, counts.all_resident) == (30, 27, False)
    assert counts.verdicts == {"ane": 21, "tie": 6, "hard": 2, "unknown": 1}
    assert counts.others == {"hard": 2, "unknown": 1}
    assert counts.flop_share == pytest.approx(1 - 3e5 / counts.flop)


def test_nothing_is_not_resident():
    empty = placement().model_copy(update={"operations": []})
    assert not residency(empty).all_resident
    assert residency(empty).flop_share is None
    assert placement_summary(empty) == "0 of 0 operations predicted on the ANE"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (1, "100 %"), (0.99999, "99.9 %"), (1e-9, "0.1 %"), (0.5, "50.0 %")]
)
def test_only_all_is_a_hundred_per_cent(share, text):
    assert percent(share) == text


def test_totals_say_that_they_are_no_latencies():
    assert totals_line(placement()).startswith("Core ML's estimates, no latencies: 0.432 ms as expected")
    assert totals_line(compute_plan()) == ""


# ---- terminal


def test_a_prediction_is_never_called_anything_else():
    text = shown(verification(only("conv", "cast", "conv")))
    assert "net.mlpackage, function main: predicted for M4 (h16)" in text
    assert "measured" not in text.replace("not measured", "")
    assert "2 of 3 operations predicted on the ANE" in text
    assert (
        "net.mlpackage, function main: not every operation is resident on the ANE: 1 hard (predicted)" in text
    )


def test_what_is_not_on_the_ane_stands_with_reasons_and_advice():
    text = shown(verification(only("conv", "cast", "silu")))
    assert "cast is outside the documented table" in text
    assert "→ use float16 inputs" in text
    assert "note: end otherwise" in text
    assert "silu_2" not in text  # a tie is resident


def test_the_same_is_said_once_for_several_operations():
    text = shown(verification(only("cast", "cast", "cast")))
    assert text.count("→ use float16 inputs") == 1
    assert "ios16.cast cast_0, ios16.cast cast_1, ios16.cast cast_2" in " ".join(text.split())


def test_prediction_and_measurement_stand_side_by_side():
    text = shown(verification(both()))
    assert "measured on this machine with Core ML's compute plan, and predicted for M4 (h16)" in text
    assert "predicted: 27 of 30 operations predicted on the ANE" in text
    assert "measured: 28 of 28 operations on the ANE" in text
    assert "disagree on" in text
    assert "added by Core ML" in text
    assert "every operation is resident on the ANE (measured)" in text


def test_why_a_mac_did_not_measure_is_said():
    text = shown(verification(only("conv"), analysis={"unmeasured": MachineError("it hung")}))
    assert "net.mlpackage: not measured: it hung" in text


@given(st.lists(st.sampled_from(ORDER), min_size=1, max_size=700))
def test_no_verdict_disappears_from_the_bar(verdicts):
    made = [operation(i, "conv").model_copy(update={"verdict": v}) for i, v in enumerate(verdicts)]
    drawn = bar(made).plain.split("  ")[0]
    assert len(drawn) == min(len(verdicts), 60)
    assert ("×" in drawn) == ("hard" in verdicts)
    assert worst(verdicts) == ("hard" if "hard" in verdicts else worst(verdicts))


def test_with_can_what_another_device_is_chosen_for_passes():
    soft = operation(0, "conv").model_copy(update={"verdict": "soft", "preferred": "cpu"})
    found = FunctionAnalysis("main", predicted().model_copy(update={"operations": [soft]}))
    assert "not every operation" in shown(verification(found))
    assert "every operation can run on the ANE (predicted)" in shown(verification(found, require="can"))


# ---- JSON


def test_json_is_the_golden_one():
    broken = Analysis(Path("x.mlpackage"), error=InputError("no such package", where="x", fix="check"))
    found = verification(both())
    text = to_json(Verification([*found.analyses, broken], ["net.mlpackage", "x.mlpackage"], CHIP))
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert json.loads(text) == [record.model_dump(mode="json") for record in from_json(text)]


def test_json_has_the_promised_keys_in_program_order():
    [package] = json.loads(to_json(verification(only("conv", "cast"))))
    [function] = package["functions"]
    assert (package["source"], function["source"], function["name"]) == ("predicted", "predicted", "main")
    assert [op["output_name"] for op in function["operations"]] == ["conv_0", "cast_1"]
    wanted = {
        "output_name",
        "operator",
        "supported",
        "preferred",
        "verdict",
        "reasons",
        "estimates",
        "source",
    }
    assert wanted <= function["operations"][0].keys()
    assert function["operations"][0]["supported"] == ["ane", "cpu"]


def test_json_has_the_measurement_and_keeps_the_prediction():
    [package] = json.loads(to_json(verification(both())))
    [function] = package["functions"]
    assert (package["source"], function["source"]) == ("measured", "measured")
    assert {op["source"] for op in function["operations"]} == {"measured"}
    assert function["prediction"]["source"] == "predicted"
    assert len(function["prediction"]["operations"]) == 30


# ---- JUnit


def suites(found: Verification) -> list[ET.Element]:
    return list(ET.fromstring(to_junit(found)))


def test_junit_has_a_gate_and_a_case_for_each_operation_elsewhere():
    [suite] = suites(verification(only("conv", "cast", "silu", "pixel_shuffle")))
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names == [
        "every operation is resident on the ANE (predicted)", "ios16.cast cast_1",
        "ios16.pixel_shuffle pixel_shuffle_3",
    ]  # fmt: skip
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "3", "0")
    assert [f.get("type") for f in suite.iter("failure")] == ["not resident", "hard", "unknown"]


def test_junit_passes_what_is_resident_and_reports_errors_and_changes():
    [suite] = suites(verification(only("conv", "silu")))
    assert list(suite.iter("failure")) == []
    error = {"error": InputError("no such package", fix="check")}
    [broken, pinned] = suites(verification(analysis=error, changes=["conv went to the cpu"]))
    assert broken.find("testcase/error").get("message") == "no such package"
    assert pinned.find("testcase/failure").text == "conv went to the cpu"
    [_, same] = suites(verification(only("conv"), changes=[]))
    assert same.find("testcase/failure") is None


# ---- GitHub


def test_annotations_are_errors_warnings_and_notices():
    lines = list(annotations(verification(only("conv", "cast", "pixel_shuffle"), changes=["a: b"])))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::error"]
    assert lines[0].startswith("::error title=net.mlpackage%2C main%3A fails (predicted)::1 of 3 operations")
    assert next(annotations(verification(only("conv")))).startswith("::notice title=net.mlpackage")


def test_commands_are_escaped():
    assert command("error", "a:b,c%\nd", "100 %\r\n::x") == "::error title=a%3Ab%2Cc%25%0Ad::100 %25%0D%0A::x"


# ---- HTML, and hostile text in all forms


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]


def tags(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    found.close()
    return found


def test_the_page_has_every_operation_in_order_by_verdict():
    page = to_html(verification(both(), changes=["conv_1 was removed"]))
    rows = [attrs for tag, attrs in tags(page).tags if tag == "tr" and "class" in attrs]
    assert [row["class"] for row in rows[:30]] == [f"v-{op.verdict}" for op in placement().operations]
    cells = [attrs["class"] for tag, attrs in tags(page).tags if tag == "rect"]
    assert cells[:30] == [f"op-{op.verdict}" for op in placement().operations]
    assert "1. ios16.conv conv_0: ane\n75.5 MFLOP, 2.1 MB, estimate 0.00467 ms ANE" in page
    assert "conv_1 was removed" in page
    assert "1 of 1 package resident" in page


def test_the_page_stands_alone():
    page = to_html(verification(both(), only("cast")))
    found = tags(page)
    assert len(found.ids) == len(set(found.ids))
    assert "default-src 'none'" in page
    assert not any(tag in ("script", "img", "iframe") for tag, _ in found.tags)
    assert "prefers-color-scheme: dark" in page
    inside = {attrs["href"][1:] for tag, attrs in found.tags if tag == "a"}
    assert inside <= set(found.ids)


def hostile() -> Verification:
    texts = {"output_name": EVIL, "operator": EVIL, "reasons": [EVIL], "advice": [EVIL], "sources": [EVIL]}
    made = operation(0, "cast").model_copy(update=texts)
    bad = Placement(source="predicted", basis=EVIL, function=EVIL, operations=[made], warnings=[EVIL])
    function = FunctionAnalysis(EVIL, bad, bad.model_copy(update={"source": "measured"}))
    analysis = Analysis(Path("evil"), (function,), InputError(EVIL, where=EVIL, fix=EVIL), MachineError(EVIL))
    return Verification([analysis], [EVIL], CHIP, changes=[EVIL])


def test_hostile_text_stays_text():
    found = hostile()
    page = to_html(found)
    assert not any(tag == "script" for tag, _ in tags(page).tags)
    assert EVIL.split("[")[0] in "".join(ET.fromstring(to_junit(found)).itertext())
    assert all(line.startswith("::") and "\n" not in line for line in annotations(found))
    assert from_json(to_json(found))[0].functions[0].operations[0].output_name == EVIL
    text = shown(found)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "[bold]" in text
