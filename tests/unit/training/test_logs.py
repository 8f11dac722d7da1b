import csv
import sys
from types import ModuleType

import pytest
from training_stops import At, StoppedError

from pipersr_build.errors import MachineError
from pipersr_build.training import logs
from pipersr_build.training.names import CURVE, TENSORBOARD

STEPS = ["training.steps=6", "training.validate_every=2", "training.checkpoint_every=2"]


def test_the_csv_file_has_a_row_for_each_step_with_a_figure(configured, trained):
    folder = trained(configured(*STEPS, "training.log_every=3")).weights.parent
    with (folder / CURVE).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "2", "3", "4", "6"]
    assert [bool(row["loss"]) for row in rows] == [False, False, True, False, True]
    assert [bool(row["held_out_psnr"]) for row in rows] == [True, True, False, True, True]


def test_without_logs_there_are_none(configured, trained):
    assert not (trained(configured(*STEPS, "training.logs=[]")).weights.parent / CURVE).exists()


def scalars(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_has_each_figure_once_although_the_run_was_resumed(configured, trained):
    config = configured(*STEPS, "training.log_every=1", "training.logs=[csv,tensorboard]")
    with pytest.raises(StoppedError):
        trained(config, At(5))  # figures of step 5 may be logged; the checkpoint is of step 4
    folder = trained(config).weights.parent
    found = scalars(folder / TENSORBOARD)
    assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in found["held_out_psnr"]] == [0, 2, 4, 6]
    assert [step for step, _ in found["learning_rate"]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_package_that_is_missing_is_named_before_the_training(name, configured, trained, monkeypatch):
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=f"{name} is not installed"):
        trained(configured(*STEPS, f"training.logs=[{name}]"))


def test_a_finished_run_keeps_its_best_weights_where_a_package_is_missing(configured, trained, monkeypatch):
    folder = trained(configured(*STEPS)).weights.parent
    best = sorted((folder / "best").iterdir())
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match="wandb is not installed"):
        trained(configured(*STEPS, "training.logs=[wandb]"))
    assert sorted((folder / "best").iterdir()) == best != []
    assert (folder / CURVE).is_file()


def test_weights_and_biases_gets_the_figures(configured, trained, monkeypatch):
    seen = []

    class Fake(logs.Logger):
        name = version = "fake"

        def __init__(self, **arguments):
            super().__init__()
            seen.append(arguments)

        def log_metrics(self, metrics, step=None):
            seen.append((step, sorted(metrics)))

        def log_hyperparams(self, *_):
            pass

    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(logs, "WandbLogger", Fake)
    trained(configured(*STEPS, "training.logs=[wandb]", "training.log_every=3"))
    assert (seen[0]["name"], seen[0]["id"], seen[0]["resume"]) == ("debug", "debug", "allow")
    assert seen[1:] == [
        (0, ["held_out_psnr"]),
        (2, ["held_out_psnr"]),
        (3, ["learning_rate", "loss"]),
        (4, ["held_out_psnr"]),
        (6, ["learning_rate", "loss"]),
        (6, ["held_out_psnr"]),
    ]
