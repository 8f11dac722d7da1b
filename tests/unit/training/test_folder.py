import json
import multiprocessing

import pytest
import torch

from pipersr_build.errors import InputError
from pipersr_build.training import folder
from pipersr_build.training.names import BEST, LAST, LOCK, RECORD, SETTINGS, WEIGHTS


def unfinished(config, step=3, corpus="c1"):
    """What an interrupted run leaves behind."""
    plan = folder.prepare(config, corpus)
    torch.save({"global_step": step}, plan.folder / LAST)
    return plan.folder


def test_a_new_run_starts_at_zero_and_writes_down_its_settings(configured):
    plan = folder.prepare(configured())
    assert (plan.checkpoint, plan.step) == (None, 0)
    assert json.loads((plan.folder / SETTINGS).read_text())["training"]["steps"] == 6


def test_other_processes_of_a_run_write_nothing(configured):
    plan = folder.prepare(configured(), writes=False)
    assert not plan.folder.exists()


def test_an_unfinished_run_goes_on(configured):
    config = configured()
    where = unfinished(config)
    assert folder.prepare(config, "c1") == folder.Plan(where, where / LAST, 3)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("seed=5", "seed is 0 there, 5 here"),
        ("training.steps=7", "training.steps is 6 there, 7 here"),
        ("model.channels=32", "model.channels is 8 there, 32 here"),
        ("evaluation.protocol=y_uint8", "evaluation.protocol is 'y_float' there, 'y_uint8' here"),
        ("data.holdout=3", "data.holdout is 10 there, 3 here"),
        ("training.stages={2: [16, 4]}", "training.stages is None there"),
    ],
)
def test_an_unfinished_run_with_other_settings_is_refused_and_kept(configured, override, named):
    where = unfinished(configured())
    with pytest.raises(InputError, match="unfinished run with other settings") as caught:
        folder.prepare(configured(override), "c1")
    assert named in str(caught.value)
    assert folder.prepare(configured(), "c1").step == 3
    assert (where / LAST).is_file()


def test_an_unfinished_run_with_other_pictures_is_refused(configured):
    unfinished(configured())
    with pytest.raises(InputError, match="the pictures are not the same"):
        folder.prepare(configured(), "c2")


@pytest.mark.parametrize(
    "override",
    [
        "training.threads=1",
        "training.devices=2",
        "training.logs=[]",
        "evaluation.protocol=all",
        "data.resident=true",
        "data.root=elsewhere",
    ],
)
def test_what_changes_nothing_of_the_result_may_change(configured, override):
    unfinished(configured())
    assert folder.prepare(configured(override), "c1").step == 3


def rewrite(where, change):
    settings = json.loads((where / SETTINGS).read_text())
    change(settings)
    (where / SETTINGS).write_text(json.dumps(settings))


def test_a_setting_that_an_older_version_did_not_know_has_its_default(configured):
    where = unfinished(configured())
    rewrite(where, lambda settings: (settings["training"].pop("ema"), settings.pop("corpus_sha256")))
    assert folder.prepare(configured(), "c1").step == 3
    with pytest.raises(InputError, match=r"training\.ema is 0\.0 there, 0\.5 here"):
        folder.prepare(configured("training.ema=0.5"), "c1")


def test_a_run_of_an_older_version_goes_on_without_the_protocol(configured):
    where = unfinished(configured())
    rewrite(where, lambda settings: settings.pop("protocol"))
    assert folder.prepare(configured("evaluation.protocol=y_uint8"), "c1").step == 3


def test_a_setting_that_this_version_does_not_know_is_named(configured):
    where = unfinished(configured())
    rewrite(where, lambda settings: settings["training"].update(wings=2))
    with pytest.raises(InputError, match=r"training\.wings is 2 there, 'nothing' here"):
        folder.prepare(configured(), "c1")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"model": {"family": "x"}, "data": {}, "training": {}}']
)
def test_settings_that_cannot_be_read_are_refused(configured, content):
    where = unfinished(configured())
    (where / SETTINGS).write_text(content)
    with pytest.raises(InputError, match="they cannot be read"):
        folder.prepare(configured(), "c1")


def finished(config):
    """What a finished run leaves behind."""
    where = folder.prepare(config, "c1").folder
    (where / BEST).mkdir()
    for name in (WEIGHTS, RECORD, f"{BEST}/0000003.safetensors"):
        (where / name).write_bytes(b"old")
    return where


@pytest.mark.parametrize("override", ["seed=2", "training.steps=7", "evaluation.protocol=rgb_uint8"])
def test_a_finished_run_with_other_settings_is_refused_and_kept(configured, override):
    where = finished(configured())
    before = (where / SETTINGS).read_bytes()
    with pytest.raises(InputError, match="a finished run with other settings"):
        folder.prepare(configured(override), "c1")
    assert (where / SETTINGS).read_bytes() == before
    assert (where / BEST / "0000003.safetensors").is_file()


def test_a_run_started_again_keeps_a_finished_ones_weights_but_not_its_best(configured, capfd):
    where = finished(configured())
    assert folder.prepare(configured(), "c1").checkpoint is None
    assert {path.name for path in where.iterdir()} == {WEIGHTS, RECORD, SETTINGS}
    assert "finished run" in capfd.readouterr().err


def hold(where, started, end):
    with folder.in_use(where):
        started.set()
        end.wait(30)


def test_a_second_run_in_the_folder_is_refused_and_changes_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    started, end = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "run", started, end))
    other.start()
    assert started.wait(30)
    with (
        pytest.raises(InputError, match="another run is training in this folder"),
        folder.in_use(tmp_path / "run"),
    ):
        pass
    end.set()
    other.join(30)
    with folder.in_use(tmp_path / "run"):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]
    assert list((tmp_path / "run").iterdir()) == []


def test_same_settings(configured):
    config = configured()
    where = folder.prepare(config, "c1").folder
    assert folder.same_settings(where, config)
    assert folder.same_settings(where, configured("training.threads=3"))
    assert not folder.same_settings(where, configured("seed=3"))
    assert not folder.same_settings(where / "nowhere", config)
