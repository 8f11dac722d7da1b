from types import SimpleNamespace

import pytest
import torch

from pipersr_build.errors import InputError
from pipersr_build.evidence import Leg
from pipersr_build.training.curve import Curve

LEG = Leg(first_step=1, device="cpu", threads=1, torch="2")


def curve(log_every=2, names=lambda step: [f"p{step}"]):
    return Curve(log_every, LEG, names)


def run(made, losses, accumulate=1, first=0, steps=100, norm=None):
    """Pass losses through the callback as Lightning would: one for each batch, divided by `accumulate`."""
    trainer = SimpleNamespace(global_step=first, max_steps=steps, world_size=1)
    module = SimpleNamespace(gradient_norm=norm)
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.5}])
    made.on_fit_start(trainer, module)
    made.on_train_start(trainer, module)
    for index, loss in enumerate(losses):
        if (index + 1) % accumulate == 0:
            made.on_before_optimizer_step(trainer, module, optimizer)
            trainer.global_step += 1
        made.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss / accumulate)}, None, index)


def points(made):
    return [(point.step, pytest.approx(point.loss), point.learning_rate) for point in made.losses]


def test_a_point_is_the_mean_since_the_last_one():
    made = curve()
    run(made, [1.0, 3.0, 5.0, 7.0, 9.0])
    assert points(made) == [(2, 2.0, 0.5), (4, 6.0, 0.5)]


def test_an_accumulation_is_one_step_with_the_mean_of_its_batches():
    made = curve()
    run(made, [1.0, 3.0, 5.0, 7.0], accumulate=2)
    assert points(made) == [(2, 4.0, 0.5)]


def test_the_last_step_has_a_point():
    made = curve(log_every=10)
    run(made, [1.0, 2.0, 6.0], steps=3)
    assert points(made) == [(3, 3.0, 0.5)]


def test_it_goes_on_from_its_state_in_the_middle_of_a_point():
    whole, first, second = curve(4), curve(4), curve(4)
    run(whole, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    run(first, [1.0, 2.0, 3.0])
    first.add_score(3, 30.0)
    first.close_leg(3)
    second.load_state_dict(first.state_dict())
    run(second, [4.0, 5.0, 6.0, 7.0, 8.0], first=3)
    second.close_leg(8)
    assert second.losses == whole.losses
    assert [(point.step, point.psnr) for point in second.scores] == [(3, 30.0)]
    assert [(leg.first_step, leg.last_step) for leg in second.legs] == [(1, 3), (4, 8)]
    assert second.seconds >= first.state_dict()["seconds"] - 1
    assert sum(leg.seconds for leg in second.legs) == pytest.approx(second.seconds, abs=0.05)


def test_a_leg_that_had_nothing_to_do_is_not_recorded():
    first, second = curve(), curve()
    first.close_leg(5)
    second.load_state_dict(first.state_dict())
    second.close_leg(5)
    assert [(leg.first_step, leg.last_step) for leg in second.legs] == [(1, 5)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_names_its_step(bad):
    with pytest.raises(InputError, match=r"at step 3 \(pictures of its batch: p3\)") as caught:
        run(curve(), [1.0, 1.0, bad, 1.0])
    assert caught.value.exit_code == 2


def test_losses_that_waited_on_the_device_name_their_own_step():
    made = curve()
    made._waiting = [torch.tensor([value, 1.0]) for value in (1.0, float("nan"), 2.0)]
    with pytest.raises(InputError, match="the loss is nan at step 8"):
        made.flush(9)


def test_a_gradient_that_is_not_finite_is_named():
    with pytest.raises(InputError, match="the gradient's norm is inf at step 1"):
        run(curve(), [1.0], norm=torch.tensor(float("inf")))


def test_many_pictures_are_counted():
    made = curve(names=lambda _: [f"p{n}" for n in range(40)])
    assert "p15 and 24 more)" in str(made.diverged("x", 1))
