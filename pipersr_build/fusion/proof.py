"""The proof that two networks compute the same function, in float64."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from pipersr_build import models

TOLERANCE = 1e-9  # float64 keeps 16 digits; a chain of convolutions loses a few


@dataclass(frozen=True)
class Proof:
    """Largest absolute and relative difference over the inputs that were tried."""

    max_abs_error: float
    max_output: float

    @property
    def relative_error(self) -> float:
        """The largest difference as a share of the largest output; of 1 where the output is smaller."""
        return self.max_abs_error / max(1.0, self.max_output)

    @property
    def holds(self) -> bool:
        """Whether the networks are equal within float64's rounding; NaN is not."""
        return self.relative_error <= TOLERANCE


@torch.inference_mode()
def prove_equal(trained: nn.Module, deploy_in_float64: nn.Module, seed: int = 0, inputs: int = 4) -> Proof:
    """Run both networks in float64 on random pictures (1, C, 24, 32 in [0, 1]) and compare.

    C is what the trained network's configuration says, else 3.

    Args:
        trained: the reference; copied, converted to float64, in evaluation mode.
        deploy_in_float64: the transformed network. It must have been transformed in float64: a
            network that was rounded to float32 differs by that rounding.
        seed: of the random pictures.
        inputs: how many pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    reference = copy.deepcopy(trained).double().eval()
    candidate = copy.deepcopy(deploy_in_float64).double().eval()
    config = getattr(trained, "config", None)
    channels = models.facts(config).channels if hasattr(config, "family") else 3
    errors, largest = [], []
    for _ in range(inputs):
        picture = torch.rand(1, channels, 24, 32, generator=generator, dtype=torch.float64)
        expected, found = reference(picture), candidate(picture)
        errors.append((expected - found).abs().max())
        largest.append(expected.abs().max())
    return Proof(torch.stack(errors).max().item(), torch.stack(largest).max().item())  # NaN stays NaN
