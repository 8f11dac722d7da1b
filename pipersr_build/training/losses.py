"""Training losses between SR and HR, both B, 3, H, W in [0, 1]; the mean over all elements."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]

CHARBONNIER_EPSILON = 1e-3


def charbonnier(sr: Tensor, hr: Tensor) -> Tensor:
    """sqrt(d² + ε²) with ε = 0.001: L1 that is smooth at zero (Lai et al., LapSRN, CVPR 2017)."""
    return (sr - hr).square().add(CHARBONNIER_EPSILON**2).sqrt().mean()


def fft(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute difference of the 2-D spectra's real and imaginary parts, orthonormal transform.

    Cho et al., "Rethinking coarse-to-fine approach in single image deblurring", ICCV 2021, eq. 6, with
    the orthonormal scaling that keeps it in the range of the L1 loss at every patch size.
    """
    spectrum = torch.fft.rfft2(sr - hr, norm="ortho")
    return torch.view_as_real(spectrum).abs().mean()


LOSSES: dict[str, Loss] = {
    "l1": nn.functional.l1_loss,
    "charbonnier": charbonnier,
    "mse": nn.functional.mse_loss,
    "fft": fft,
}


def parse(spec: object) -> dict[str, float]:
    """A loss as configured, a name or a mapping from names to weights, as that mapping.

    Raises:
        ValueError: an unknown name, or a weight that is no positive number.
    """
    terms = {spec: 1.0} if isinstance(spec, str) else spec
    if not isinstance(terms, Mapping) or not terms:
        raise ValueError(f"{spec!r} is neither a loss nor a mapping from losses to weights")
    for name, weight in terms.items():
        if name not in LOSSES:
            raise ValueError(f"unknown loss {name!r}; choose from {', '.join(LOSSES)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise ValueError(f"the weight of {name} is {weight!r}; it must be a positive number")
    return {str(name): float(weight) for name, weight in terms.items()}


def build_loss(spec: object) -> Loss:
    """The weighted sum that `spec` describes (see `parse`), computed in float32."""
    terms = parse(spec)

    def loss(sr: Tensor, hr: Tensor) -> Tensor:
        sr, hr = sr.float(), hr.float()
        total = sum(weight * LOSSES[name](sr, hr) for name, weight in terms.items())
        assert isinstance(total, Tensor)
        return total

    return loss


def describe(spec: object) -> str:
    """The loss for a record, for example `l1` or `l1 + 0.05 fft`."""
    return " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in parse(spec).items())
