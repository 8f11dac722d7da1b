"""Whole runs in this process: what they leave, how they stop, how they go on."""

import errno
import json
import math
import signal

import pytest
import torch
from lightning.pytorch import Trainer
from training_stops import At, StoppedError, stop

from pipersr_build import files
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.models.weights import load_weights
from pipersr_build.training import interruption, losses
from pipersr_build.training import run as run_module
from pipersr_build.training.checkpoint_file import read
from pipersr_build.training.names import LAST, PREVIOUS, RECORD, WEIGHTS
from pipersr_build.training.patches import Patches
from pipersr_build.training.record import read_record

STEPS = ["training.steps=9", "training.validate_every=3", "training.checkpoint_every=2"]


def record(weights):
    return read_record(weights, files.sha256(weights))


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_run_leaves_weights_record_settings_and_curve(configured, trained, corpus):
    config = configured(*STEPS, "training.keep_best=2")
    result = trained(config)
    folder = result.weights.parent
    assert left(folder) == ["best", "curve.csv", "settings.json", RECORD, WEIGHTS]
    made = record(result.weights)
    assert [point.step for point in made.validation] == [0, 3, 6, 9]
    assert [point.step for point in made.curve] == list(range(1, 10))
    best = sorted(made.validation[1:], key=lambda point: -point.psnr)
    assert (made.chosen_step, made.chosen_psnr) == (best[0].step, best[0].psnr)
    assert left(folder / "best") == sorted(f"{point.step:07d}.safetensors" for point in best[:2])
    chosen = load_weights(folder / "best" / f"{best[0].step:07d}.safetensors").network.state_dict()
    for key, value in load_weights(result.weights).network.state_dict().items():
        assert torch.equal(value, chosen[key])
    assert made.corpus_sha256 == corpus.fingerprint
    assert [(leg.first_step, leg.last_step) for leg in made.legs] == [(1, 9)]
    rows = (folder / "curve.csv").read_text().splitlines()
    assert rows[0] == "step,loss,learning_rate,held_out_psnr"
    assert len(rows) == 11


@pytest.mark.parametrize(
    "settings",
    [
        ["training.optimizer=muon", "training.ema=0.9", "training.accumulate=2", "training.keep_best=2"],
        [
            "training.form=folded",
            "training.start=calibrated",
            "training.loss=charbonnier",
            "training.ema=0.5",
        ],
        ["training.stages={3: [12, 2], 6: [16, 4]}", "training.log_every=4", "data.resident=true"],
        ["training.optimizer=adamw", "training.precision=bf16", "training.keep_best=0"],
    ],
)
def test_a_run_that_stops_anywhere_and_goes_on_ends_as_if_it_had_not(settings, configured, trained, tmp_path):
    whole = trained(configured(*STEPS, *settings, f"runs={tmp_path}/whole"))
    config = configured(*STEPS, *settings)
    parts = config.training.accumulate
    for batch in (4 * parts + 1, 2 * parts + 1):  # in step 5, then, from step 4 on, in step 7
        with pytest.raises(StoppedError):
            trained(config, At(batch))
    result = trained(config)
    assert files.sha256(result.weights) == files.sha256(whole.weights)
    one, two = record(whole.weights), record(result.weights)
    assert two.curve == one.curve
    assert two.validation == one.validation
    assert [leg.first_step for leg in two.legs] == [1, 5, 7]
    assert [leg.last_step for leg in two.legs] == [4, 6, 9]
    best = [run.weights.parent / "best" for run in (result, whole) if config.training.keep_best]
    assert len({files.sha256(folder) for folder in best}) <= 1


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_is_obeyed_after_the_step_with_a_checkpoint(number, configured, trained):
    config = configured(*STEPS, "training.accumulate=2")
    before = signal.getsignal(number)
    with pytest.raises(InterruptedRunError, match="after step 3 of 9; the checkpoint is saved") as caught:
        trained(config, At(5, lambda: signal.raise_signal(number)))  # in the middle of step 3
    assert caught.value.exit_code == 130
    assert signal.getsignal(number) == before
    assert read(files.Path(caught.value.where))["global_step"] == 3
    assert record(trained(config).weights).legs[1].first_step == 4


def test_a_second_signal_interrupts_at_once(configured, trained, monkeypatch):
    monkeypatch.setattr(interruption, "PATIENCE", -1.0)
    config = configured(*STEPS, "training.accumulate=2")

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="in the middle of a step"):
        trained(config, At(7, twice))
    assert read(files.Path(config.runs) / config.name / LAST)["global_step"] == 2


def turns_nan(monkeypatch, batch):
    calls = []

    def loss(sr, hr):
        calls.append(1)
        return (sr - hr).abs().mean() * (math.nan if len(calls) == batch else 1)

    monkeypatch.setitem(losses.LOSSES, "l1", loss)


def test_a_loss_that_is_not_a_number_names_step_and_pictures_and_keeps_the_checkpoint(
    configured, trained, corpus, monkeypatch
):
    config = configured(*STEPS, "training.accumulate=2")
    turns_nan(monkeypatch, 9)  # in step 5
    with pytest.raises(InputError, match="the loss is nan at step 5") as caught:
        trained(config)
    names = Patches(config, corpus).names(5)
    assert f"(pictures of its batch: {', '.join(names)})" in str(caught.value)
    last = read(files.Path(config.runs) / config.name / LAST)
    assert last["global_step"] == 4
    assert all(value.isfinite().all() for value in last["state_dict"].values())
    monkeypatch.undo()
    assert record(trained(config).weights).steps == 9


def test_a_gradient_that_is_not_a_number_is_noticed_in_its_step(configured, trained, monkeypatch):
    # the root's gradient at 0 is infinite, 0 times that is not a number; the loss itself is finite
    monkeypatch.setitem(losses.LOSSES, "l1", lambda sr, hr: ((sr - hr) * 0).abs().sqrt().mean())
    with pytest.raises(InputError, match="the gradient's norm is nan at step 1"):
        trained(configured(*STEPS))


def full_at(save, monkeypatch):
    saves, saving = [], Trainer.save_checkpoint

    def save_checkpoint(trainer, path, *args):
        saves.append(1)
        saving(trainer, path, *args)
        if len(saves) == save:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Trainer, "save_checkpoint", save_checkpoint)


def test_a_disk_that_is_full_leaves_the_checkpoint_before(configured, trained, monkeypatch):
    config = configured(*STEPS)
    full_at(2, monkeypatch)
    with pytest.raises(InputError, match="the disk is full"):
        trained(config)
    folder = files.Path(config.runs) / config.name
    assert read(folder / LAST)["global_step"] == 2
    assert not [name for name in left(folder) if name.endswith(".partial")]
    monkeypatch.undo()
    assert record(trained(config).weights).legs[1].first_step == 3


def test_the_two_last_checkpoints_are_kept_and_removed_at_the_end(configured, trained):
    config = configured(*STEPS)
    folder = files.Path(config.runs) / config.name
    steps = []

    def look():
        steps.extend(read(folder / name)["global_step"] for name in (LAST, PREVIOUS))

    result = trained(config, At(7, look))
    assert steps == [6, 4]
    assert not (folder / LAST).exists()
    assert not (folder / PREVIOUS).exists()
    assert result.weights.is_file()


def test_a_finished_runs_weights_stay_until_the_new_ones_are_there(configured, trained):
    first = trained(configured(*STEPS))
    old = files.sha256(first.weights)
    config = configured(*STEPS)
    with pytest.raises(StoppedError):
        trained(config, At(4))
    assert files.sha256(first.weights) == old
    assert record(first.weights) is not None
    assert "0000009.safetensors" not in left(first.weights.parent / "best")
    again = trained(config)
    assert files.sha256(again.weights) == old
    assert len(left(again.weights.parent / "best")) == 1


def test_an_end_between_weights_and_record_is_made_good(configured, trained, monkeypatch):
    config = configured(*STEPS)
    monkeypatch.setattr(run_module, "_record", lambda *_: stop())
    with pytest.raises(StoppedError):
        trained(config)
    folder = files.Path(config.runs) / config.name
    weights = files.sha256(folder / WEIGHTS)
    assert record(folder / WEIGHTS) is None
    monkeypatch.undo()
    again = record(trained(config).weights)
    assert again.weights_sha256 == weights
    assert [(leg.first_step, leg.last_step) for leg in again.legs] == [(1, 9)]
    assert len(again.curve) == 9


def test_a_record_of_other_weights_is_not_taken_for_theirs(configured, trained):
    weights = trained(configured(*STEPS)).weights
    assert record(weights) is not None
    assert read_record(weights, "0" * 64) is None
    weights.with_name(RECORD).write_text("{}")
    with pytest.raises(InputError, match="the training record"):
        record(weights)


def test_weights_that_a_run_kept_belong_to_its_record_at_their_step(configured, trained):
    folder = trained(configured(*STEPS, "training.keep_best=2")).weights.parent
    made = record(folder / WEIGHTS)
    for kept in (folder / "best").iterdir():
        found = record(kept)
        point = next(p for p in made.validation if p.step == int(kept.stem))
        assert (found.chosen_step, found.chosen_psnr) == (point.step, point.psnr)
        assert found.weights_sha256 == files.sha256(kept)
    other = kept.rename(kept.with_name("0000008.safetensors"))  # no validation was made at that step
    assert record(other) is None


def test_without_best_weights_the_last_are_published(configured, trained):
    config = configured(*STEPS, "training.keep_best=0")
    result = trained(config)
    assert record(result.weights).chosen_step == 9
    assert not (result.weights.parent / "best").exists()


def test_batch_norms_are_back_after_a_folded_run(configured, trained):
    result = trained(configured(*STEPS, "training.form=folded", "training.start=calibrated"))
    network = load_weights(result.weights).network
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 2
    assert load_weights(next((result.weights.parent / "best").iterdir())).config.norm == "none"


@pytest.mark.parametrize("key", ["initial", "teacher"])
@pytest.mark.parametrize("name", [WEIGHTS, "best/0000009.safetensors"])
def test_a_run_does_not_begin_with_its_own_weights(key, name, configured, trained, tmp_path):
    with pytest.raises(InputError, match=f"training.{key} names the run's own weights"):
        trained(configured(*STEPS, f"training.{key}={tmp_path}/runs/debug/{name}"))


def test_the_record_names_the_protocol_of_the_validations(configured, trained):
    assert record(trained(configured(*STEPS, "evaluation.protocol=all")).weights).protocol == "y_float"


def test_settings_in_the_record_are_the_configuration(configured, trained):
    made = record(trained(configured(*STEPS)).weights)
    assert made.settings["training"]["steps"] == 9
    assert json.dumps(made.settings)
