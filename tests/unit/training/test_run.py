import json

import pytest
import torch

from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.training import run


@pytest.fixture
def config(tmp_path):
    return load(["experiment=debug", f"runs={tmp_path}"])


def unfinished(config, step=3):
    """What an interrupted run leaves behind."""
    plan = run.prepare(config)
    torch.save({"global_step": step}, plan.folder / run.CHECKPOINT)
    return plan.folder


def test_a_new_run_starts_at_zero_and_writes_down_its_settings(config):
    plan = run.prepare(config)
    assert (plan.checkpoint, plan.step) == (None, 0)
    assert json.loads((plan.folder / run.SETTINGS).read_text())["training"]["steps"] == 6


def test_an_unfinished_run_goes_on(config):
    unfinished(config)
    assert run.prepare(config).step == 3


@pytest.mark.parametrize("override", ["seed=5", "training.steps=7", "model.channels=32", "data.holdout=3"])
def test_an_unfinished_run_with_other_settings_is_refused_and_kept(config, override):
    folder = unfinished(config)
    other = load(["experiment=debug", f"runs={config.runs}", override])
    with pytest.raises(InputError, match="unfinished run with other settings"):
        run.prepare(other)
    assert run.prepare(config).step == 3
    assert (folder / run.CHECKPOINT).is_file()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_named(config, content):
    folder = unfinished(config)
    (folder / run.CHECKPOINT).write_bytes(content)
    with pytest.raises(InputError, match="checkpoint cannot be read"):
        run.prepare(config)


def test_a_finished_run_starts_over(config):
    folder = run.prepare(config).folder
    (folder / run.WEIGHTS).write_bytes(b"old")
    assert run.prepare(config).checkpoint is None
    assert not (folder / run.WEIGHTS).exists()
