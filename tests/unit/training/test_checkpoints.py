import errno
from types import SimpleNamespace

import pytest
import torch

import pipersr_build
from pipersr_build.errors import InputError
from pipersr_build.training.checkpoint_file import FORMAT, MARK, read
from pipersr_build.training.checkpoints import Checkpoints, save_checkpoint
from pipersr_build.training.interruption import Interruption
from pipersr_build.training.names import LAST, PREVIOUS


class Saving:
    """A trainer that saves its step, or half of it."""

    is_global_zero, world_size, max_steps = True, 1, 100

    def __init__(self, step=0, error=None):
        self.global_step, self.error = step, error

    def save_checkpoint(self, path):
        torch.save({"global_step": self.global_step}, path)
        if self.error is not None:
            path.write_bytes(path.read_bytes()[:100])
            raise self.error


def steps(folder):
    return {path.name: read(path)["global_step"] for path in folder.iterdir()}


def test_the_checkpoint_before_is_kept(tmp_path):
    for step in (3, 6, 9):
        save_checkpoint(Saving(step), tmp_path)
    assert steps(tmp_path) == {LAST: 9, PREVIOUS: 6}


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left"), InputError),
        (OSError(errno.EFBIG, "File too large"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.EIO, "broken"), OSError),
    ],
)
def test_what_stops_the_writing_leaves_what_was_there(tmp_path, error, raised):
    save_checkpoint(Saving(3), tmp_path)
    save_checkpoint(Saving(6), tmp_path)
    with pytest.raises(raised):
        save_checkpoint(Saving(9, error), tmp_path)
    assert steps(tmp_path) == {LAST: 6, PREVIOUS: 3}


def checkpoints(folder, every=4):
    interruption, log = Interruption(), []
    curve = SimpleNamespace(
        flush=lambda step: log.append(f"flush {step}"),
        close_leg=lambda step: log.append(f"leg {step}"),
        diverged=lambda what, step: InputError(f"{what} at step {step}"),
    )
    made = Checkpoints(folder, every, curve, interruption, lambda: log.append("saved"))
    return made, interruption, log


def after(made, step, module=None):
    trainer = Saving(step)
    made.on_step(trainer, module or torch.nn.Linear(1, 1), step)
    return getattr(trainer, "should_stop", False)


def test_it_saves_at_intervals_and_at_the_last_step(tmp_path):
    made, _, log = checkpoints(tmp_path)
    assert not any(after(made, step) for step in (1, 2, 3))
    assert log == []
    assert not after(made, 4)
    assert log == ["flush 4", "leg 4", "saved"]
    made, _, log = checkpoints(tmp_path, every=1000)
    after(made, 100)
    assert log[-1] == "saved"


def test_it_saves_and_stops_where_somebody_asks(tmp_path):
    made, interruption, log = checkpoints(tmp_path)
    interruption.asked = True
    assert after(made, 5)
    assert log[-1] == "saved"
    assert steps(tmp_path) == {LAST: 5}


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    made, _, _ = checkpoints(tmp_path)
    after(made, 4)
    module = torch.nn.Linear(1, 1)
    module.weight.data.fill_(float("nan"))
    with pytest.raises(InputError, match="a weight is not finite at step 8"):
        after(made, 8, module)
    assert steps(tmp_path) == {LAST: 4}


def test_a_checkpoint_says_which_version_made_it(tmp_path):
    content = {}
    checkpoints(tmp_path)[0].on_save_checkpoint(None, None, content)
    assert content == {MARK: {"format": FORMAT, "version": pipersr_build.__version__}}


def test_processes_that_go_on_from_different_steps_are_refused(tmp_path):
    made, _, _ = checkpoints(tmp_path)
    strategy = SimpleNamespace(all_gather=lambda step: torch.stack([step, step - 3]))
    trainer = SimpleNamespace(global_step=3, strategy=strategy)
    with pytest.raises(InputError, match=r"different steps: \[0, 3\]"):
        made.on_train_start(trainer, SimpleNamespace(device="cpu"))


@pytest.mark.parametrize("others_stop", [False, True])
def test_a_signal_that_comes_while_the_processes_compare_is_not_lost(tmp_path, others_stop):
    made, interruption, _ = checkpoints(tmp_path)
    trainer = Saving(1)
    trainer.world_size = 2

    def compare(stop, **_):
        interruption.asked = True  # as the signal's handler does
        return stop or others_stop

    trainer.strategy = SimpleNamespace(reduce_boolean_decision=compare)
    made.on_step(trainer, torch.nn.Linear(1, 1), 1)
    assert getattr(trainer, "should_stop", False) == others_stop
    made.on_step(trainer, torch.nn.Linear(1, 1), 2)
    assert trainer.should_stop
    assert interruption.asked


def test_what_one_process_was_asked_all_were_asked(tmp_path):
    made, interruption, _ = checkpoints(tmp_path)
    trainer = Saving(1)
    trainer.world_size = 2
    trainer.strategy = SimpleNamespace(reduce_boolean_decision=lambda *_, **__: True)
    made.on_step(trainer, torch.nn.Linear(1, 1), 1)
    assert interruption.asked
