import numpy as np
import pytest
import torch
from torch import nn

from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.training import losses

SR, HR = torch.rand(2, 2, 3, 6, 8, generator=torch.Generator().manual_seed(0)).unbind()
DIFFERENCE = (SR - HR).double().numpy()
SPECTRUM = np.fft.rfft2(DIFFERENCE, norm="ortho")
FORMULAS = {
    "l1": np.abs(DIFFERENCE).mean(),
    "mse": (DIFFERENCE**2).mean(),
    "charbonnier": np.sqrt(DIFFERENCE**2 + 1e-6).mean(),
    "fft": (np.abs(SPECTRUM.real).mean() + np.abs(SPECTRUM.imag).mean()) / 2,
}


def test_there_is_a_formula_for_every_loss():
    assert set(FORMULAS) == set(losses.LOSSES)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_its_formula(name):
    assert losses.build_loss(name)(SR, HR).item() == pytest.approx(FORMULAS[name], rel=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_least_where_the_pictures_are_equal_and_has_a_gradient(name):
    sr = HR.clone().requires_grad_()
    loss = losses.build_loss(name)(sr, HR)
    assert loss.item() == pytest.approx(1e-3 if name == "charbonnier" else 0, abs=1e-9)
    moved = nn.Parameter(SR.clone())
    losses.build_loss(name)(moved, HR).backward()
    assert moved.grad.isfinite().all()
    assert moved.grad.abs().sum() > 0


def test_several_losses_are_summed_with_their_weights_in_float32():
    loss = losses.build_loss({"l1": 1, "fft": 0.05})(SR.bfloat16(), HR.bfloat16())
    expected = losses.build_loss("l1")(SR.bfloat16(), HR.bfloat16()) + 0.05 * losses.fft(
        SR.bfloat16().float(), HR.bfloat16().float()
    )
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    assert losses.describe({"l1": 1, "fft": 0.05}) == "l1 + 0.05 fft"
    assert losses.describe("mse") == "mse"


@pytest.mark.parametrize(
    "wrong", ["l3", "{l1: 0}", "{l1: -1}", "{l1: true}", "{}", "3", "{l1: x}", "{l1: .nan}"]
)
def test_what_is_no_loss_is_refused_by_the_configuration(wrong):
    with pytest.raises(InputError, match=r"training\.loss"):
        load([f"training.loss={wrong}"])
