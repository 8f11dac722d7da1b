"""docs/how_to/training.md names the settings as they are."""

import re
from dataclasses import fields
from pathlib import Path

from pipersr_build.config import DataConfig, TrainingConfig

DOCS = Path(__file__).parents[3] / "docs" / "how_to" / "training.md"


def test_every_training_setting_is_there_and_no_other():
    keys = {f"training.{field.name}" for field in fields(TrainingConfig)}
    named = set(re.findall(r"training\.(?!json)\w+", DOCS.read_text()))
    assert named == keys
    data = set(re.findall(r"data\.(\w+)", DOCS.read_text()))
    assert data <= {field.name for field in fields(DataConfig)}


def test_the_defaults_of_the_table_are_the_configurations():
    rows = re.findall(r"^\| (`training\.[^|]+) \| ([^|]+) \|", DOCS.read_text(), re.MULTILINE)
    defaults = TrainingConfig()
    plain = {"none": None, "torch's choice": None, "false": False, "`[csv]`": ["csv"]}
    for names, values in rows:
        keys, shown = re.findall(r"training\.(\w+)", names), values.split(", ")
        if keys == ["json"]:  # a file, not a setting
            continue
        assert len(keys) == len(shown)
        for key, text in zip(keys, shown, strict=True):
            value = plain[text] if text in plain else text.strip("`")
            ours = getattr(defaults, key)
            assert (
                float(value) if isinstance(ours, int | float) and value is not False else value
            ) == ours, key
