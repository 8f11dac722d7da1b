import re

import pytest

from pipersr_build import models
from pipersr_build.benchmark import controls_record
from pipersr_build.commands.compare_rows import Subject, chips_of, row_of
from pipersr_build.commands.compare_subjects import networks
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.fusion import to_deploy
from pipersr_build.report import documents


@pytest.fixture(scope="module")
def shipped():
    return controls_record.load()


def row(record, name):
    return next(one for one in record.rows if one.name == name)


def test_the_record_is_of_pipersr_and_every_control_as_they_are(shipped):
    wanted = {name: config for name, config in networks().items() if name.startswith("control_")}
    wanted["pipersr_2x"] = networks()["pipersr_2x"]
    counts = {name: models.parameters(to_deploy(models.build(c))) for name, c in wanted.items()}
    assert {one.name: one.parameters for one in shipped.rows} == counts
    assert not shipped.provenance.git_dirty


def test_a_row_is_what_is_predicted_today(shipped, tmp_path):
    config = load(["placement.chip=m2", f"runs={tmp_path}"])
    name = "control_channel_attention"
    found = row_of(Subject(name, "network", networks()[name], variant=name), config, chips_of(config))
    wanted = row(shipped, name)
    assert found.bytes == pytest.approx(wanted.bytes, abs=100)  # they hold the versions of what made them
    assert found == wanted.model_copy(update={"measured": [], "bytes": found.bytes})


def test_pipersr_is_what_the_controls_are_held_against_wherever_its_row_stands(shipped):
    turned = shipped.model_copy(update={"rows": shipped.rows[::-1]})
    lines, others = (controls_record.table(record).splitlines() for record in (shipped, turned))
    beside = [
        {line.split("|")[1]: line.split("|")[-3] for line in some if "| `" in line}
        for some in (lines, others)
    ]
    assert beside[0] == beside[1]


def test_what_is_claimed_stands_apart_from_what_is_predicted(shipped):
    lines = {
        line.split("`")[1]: line for line in controls_record.table(shipped).splitlines() if "| `" in line
    }
    claimed = {name: line.split("|")[-2].strip() for name, line in lines.items()}
    assert claimed["pipersr_2x"] == "20.8 ms"
    assert claimed["control_channel_attention"] == "2.9 ms for each block, 17.4 ms for 6"
    assert claimed["control_blueprint"] == "3.31 against 2.96 ms for one layer alone"
    assert "four operations on the CPU; vendor's statement" in claimed["control_rms_norm"]
    assert claimed["control_window_attention"] == "–"
    assert re.search(r"\| 37\.\d \(\d+\.\d to \d+\.\d\) \| \+17\.\d ms, \+36 operations \|",
                     lines["control_channel_attention"])  # fmt: skip
    assert "predicted for M2" in controls_record.table(shipped)


def test_what_is_not_reproduced_is_a_note_with_its_source(shipped):
    text = controls_record.table(shipped)
    notes = re.findall(r"^(\d)\. Not reproduced by the prediction: (.*)$", text, re.MULTILINE)
    assert [number for number, _ in notes] == ["1", "2"]
    assert "3.31 against 2.96 ms" in notes[0][1]
    assert "four of them on the CPU" in notes[1][1]
    assert all("(source: " in note for _, note in notes)
    assert re.search(r"`control_blueprint`.* all ANE \(1\) \|", text)
    assert re.search(r"`control_rms_norm`.* all ANE \(2\) \|", text)


def test_a_network_without_package_or_rate_has_a_row_that_says_so(shipped):
    first, second, *rest = shipped.rows
    nothing = second.latencies[0].model_copy(update={"low": None, "expected": None, "high": None})
    bare = second.model_copy(update={"latencies": [nothing]})
    failed = rest[0].model_copy(update={"error": "too large"})
    text = controls_record.table(shipped.model_copy(update={"rows": [first, bare, failed]}))
    assert f"`{second.name}` | 65,548 | 30.27 | 40 | all ANE (1) | no rate known | – |" in text
    assert "no package: too large" in text


def test_records_that_cannot_be_read_are_refused(shipped, tmp_path):
    path = tmp_path / "controls.json"
    with pytest.raises(InputError, match="no such record") as caught:
        controls_record.load(path)
    assert "compare pipersr_2x" in str(caught.value.fix)
    path.write_text("{}")
    with pytest.raises(InputError, match="does not follow the schema"):
        controls_record.load(path)
    path.write_text(shipped.model_copy(update={"rows": shipped.rows[1:]}).model_dump_json())
    with pytest.raises(InputError, match="has no row pipersr_2x"):
        controls_record.load(path)


def test_the_document_shows_the_record(shipped):
    assert documents.render("<!-- record: controls -->\nold\n<!-- end -->").splitlines()[1:-1] == (
        controls_record.table(shipped).splitlines()
    )
