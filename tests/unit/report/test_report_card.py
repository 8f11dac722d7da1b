import os
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from report_records import IMAGE, full, minimal

from pipersr_build.report import facts
from pipersr_build.report.card import render_card

GOLDEN = Path(__file__).parents[2] / "golden" / "report"


@pytest.mark.parametrize(("name", "record"), [("card.md", full()), ("card_minimal.md", minimal())])
def test_card_is_the_golden_one(name, record):
    card = render_card(record)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (GOLDEN / name).write_text(card)
    assert card == (GOLDEN / name).read_text()


def test_front_matter_is_the_hubs():
    _, front, _ = render_card(full()).split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields["license"] == "apache-2.0"
    assert fields["library_name"] == "coreml"
    assert fields["pipeline_tag"] == "image-to-image"
    assert "super-resolution" in fields["tags"]


def test_every_gate_is_told():
    card = render_card(full())
    for gate in full().gates:
        assert facts.value_label(gate) in card
        verdict = facts.verdict_label(gate)
        assert (
            f"| {facts.threshold_label(gate)} | {verdict if gate.verdict != 'fail' else '**fail**'} |" in card
        )
    assert "3 passed, 1 passed (predicted), 1 failed, 1 unknown, 2 not measured." in card


def test_failure_stands_first():
    card = render_card(full())
    assert card.index("**1 of 8 gates failed:**") < card.index("## Model description")
    assert "gates failed" not in render_card(full().model_copy(update={"gates": []}))


def test_prediction_and_measurement_stand_in_two_columns():
    card = render_card(full())
    told = "27 of 30 operations predicted on the ANE, 99.9 % of the FLOP, 6 of them tied; 2 hard, 1 unknown"
    assert card.count(f"| {told} | not measured |") == 1
    assert card.count(f"| {told} | measured: 28 of 28 operations on the ANE, 100 % of the FLOP |") == 1
    record = full().packages[0].model_copy(update={"placement": None})
    bare = full().model_copy(update={"packages": [record]})
    assert "| `image_128.mlpackage` | not measured | not measured |" in render_card(bare)


def front_of(card):
    return card.split("---\n", 2)[1]


@pytest.mark.parametrize("record", [full(), minimal()])
def test_the_hub_reads_the_metadata_back(record):
    card = ModelCard(render_card(record))
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "coreml", "image-to-image")
    assert {"super-resolution", "coreml"} <= set(data.tags)
    assert data.datasets is None
    assert card.text.startswith(f"\n# {record.name}")


def test_results_are_those_that_were_measured_on_the_packages():
    results = ModelCard(render_card(full())).data.eval_results
    found = {(r.dataset_name, r.dataset_args["package"], r.metric_type): r.metric_value for r in results}
    assert found == {
        (row.dataset, IMAGE, metric): value
        for row in full().quality
        if row.subject == IMAGE
        for metric, value in (("psnr", row.mean_psnr), ("ssim", row.mean_ssim))
    }
    assert {(r.task_type, r.dataset_args["protocol"]) for r in results} == {("image-to-image", "y_float")}
    assert "eval_results" not in ModelCard(render_card(minimal())).data.to_dict()


def test_results_survive_the_hubs_own_writer():
    data = ModelCard(render_card(full())).data
    again = ModelCard(f"---\n{data.to_yaml()}\n---\n").data
    assert again.eval_results == data.eval_results
    assert isinstance(again, ModelCardData)


@pytest.mark.parametrize(
    ("told", "family", "fields"),
    [
        (None, "pipersr", {"license": "apache-2.0"}),
        (None, "third_party", {"license": "unknown"}),
        ("MIT", "third_party", {"license": "mit"}),
        ("All rights reserved", "pipersr", {"license": "other", "license_name": "all-rights-reserved"}),
    ],
)
def test_the_licence_is_the_configured_one_else_what_is_known(told, family, fields):
    changes = {"config": {"export": {"licence": told}}, "model": {"family": family}}
    found = yaml.safe_load(front_of(render_card(full().model_copy(update=changes))))
    assert {key: value for key, value in found.items() if key.startswith("license")} == fields


def test_the_front_matter_cannot_be_left():
    evil = "x\n---\n# out"
    row = full().quality[1].model_copy(update={"dataset": evil})
    card = render_card(full().model_copy(update={"name": evil, "quality": [row]}))
    assert ModelCard(card).data.to_dict()["model-index"][0]["name"] == "x --- # out"
    assert "\n# out" not in card


def test_published_networks_stand_in_one_table_with_how_they_were_scored():
    card = render_card(full())
    assert "| network | parameters | scored | Set5 | BSD100 |" in card
    assert f"| **{IMAGE}** | 451,852 | y\\_float | 37.674 | 32.023 |".replace("\\_", "_") in card
    assert "| PiperSR | 451,852 | y_float | 37.604 | – |" in card
    assert "| FSRCNN | 12,800 | PSNR-Y as published | 37.00 | 31.53 |" in card
    assert "Against published networks" not in render_card(minimal())


def test_latency_is_told_for_every_chip_as_a_prediction():
    card = render_card(full())
    assert "predicted from published rates and never timed" in card
    assert "| M4 | 1.59 ms (1.14 to 2.39) | 15.9 ms (11.4 to 23.9) |" in card


def test_programs_name_the_first_package_of_each_contract():
    card = render_card(full())
    assert f'ct.models.MLModel("{IMAGE}"' in card
    assert card.count("```python\n") == 2
    assert card.count("```swift\n") == 2


def test_python_programs_compile():
    for part in render_card(full()).split("```python\n")[1:]:
        compile(part.split("```")[0], "card", "exec")


def test_a_package_with_a_state_has_its_own_programs():
    state = full().packages[1].model_copy(update={"file": "v_state.mlpackage", "state": True})
    card = render_card(full().model_copy(update={"packages": [*full().packages, state]}))
    assert card.count("```python\n") == card.count("```swift\n") == 3
    assert "| video with state |" in card
    program = card.split("```python\n")[3].split("```")[0]
    compile(program, "card", "exec")
    assert "state = zeros" in program
    assert 'for: "next"' in card.split("```swift\n")[3]


def test_programs_survive_odd_file_names():
    odd = full().packages[0].model_copy(update={"file": 'a"b`\\c.mlpackage'})
    card = render_card(full().model_copy(update={"packages": [odd]}))
    assert r'MLModel("a\"b`\\c.mlpackage"' in card
    compile(card.split("```python\n")[1].split("```")[0], "card", "exec")


def test_hostile_text_cannot_leave_its_cell():
    evil = "<script>x</script> | [a](b) `c` *d*\n# e"
    gate = full().gates[0].model_copy(update={"name": evil, "subject": evil})
    card = render_card(full().model_copy(update={"gates": [gate], "name": evil}))
    assert "<script>" not in card.split("---\n", 2)[2]
    assert "\n# e" not in card
    row = next(line for line in card.splitlines() if r"\[a\](b)" in line and line.startswith("|"))
    assert row.replace(r"\|", "").count("|") == 6


def test_absent_parts():
    card = render_card(minimal())
    assert "Quality: not measured." in card
    assert "No training is recorded." in card
    assert "None\n" not in card


def test_a_training_in_parts_is_told_as_a_whole():
    before = full().training.model_copy(update={"steps": 54_000, "seconds": 3_900.0})
    card = render_card(
        full().model_copy(update={"training": full().training.model_copy(update={"before": before})})
    )
    assert "| steps | 74,000 in 2 h 28 min, in 2 parts |" in card
    assert "| the last part, of which all below is | 20,000 steps in 1 h 23 min |" in card


def test_training_without_validation():
    trained = full().training.model_copy(update={"validation": []})
    card = render_card(full().model_copy(update={"training": trained}))
    assert "| held-out PSNR | not measured, protocol y_float |" in card


def test_what_fewer_bits_cost_is_a_column_where_there_are_such_packages():
    rows = full().quality
    smaller = rows[1].model_copy(update={"subject": "image_128_int8.mlpackage", "lost_db": 0.0314})
    card = render_card(full().model_copy(update={"quality": [*rows, smaller]}))
    [line] = [line for line in card.splitlines() if "int8" in line]
    assert line.endswith("| 0.031 dB |")
    assert "| lost to fewer bits |" in card
    assert "lost to fewer bits" not in render_card(full())
