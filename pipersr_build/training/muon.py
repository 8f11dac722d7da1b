"""Muon: momentum whose matrices are orthogonalised, for the hidden convolutions; Adam for the rest.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024
(https://kellerjordan.github.io/posts/muon/). A kernel of shape out, in, 3, 3 is taken as a matrix of
out rows. The update is scaled to the root mean square of Adam's, 0.2 · sqrt(max(rows, columns))
(Liu et al., "Muon is scalable for LLM training", 2025, arXiv:2502.16982, section 2.2), so that the same
learning rates suit both parts.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# five steps of the quintic iteration X <- aX + b(XXᵀ)X + c(XXᵀ)²X, coefficients of the page above
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalise(matrices: Tensor) -> Tensor:
    """Approximately the nearest matrices with orthonormal rows: N, rows, columns (rows <= columns).

    Every iterate of the quintic is a polynomial in the Gram matrix times X, so that only rows x rows
    products are needed between one product with X at the start and one at the end. Singular values
    end between about 0.7 and 1.2.
    """
    a, b, c = COEFFICIENTS
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    eye = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    product = eye
    for _ in range(ITERATIONS):
        step = a * eye + b * gram + c * (gram @ gram)
        product, gram = step @ product, step @ gram @ step
    nearest: Tensor = product @ x
    return nearest


class Muon(torch.optim.Adam):
    """Adam for the groups as they are; for groups with `orthogonal: True`, Muon.

    Args:
        groups: parameter groups; those with `orthogonal` hold tensors of two or more dimensions.
        momentum: Muon's, with Nesterov's look-ahead.
        adam: arguments of `torch.optim.Adam`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.95, **adam: Any) -> None:
        groups = [{"orthogonal": False, **group} for group in groups]
        super().__init__(groups, **adam)
        self.momentum = momentum

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a saved state as it is: Adam's own mends old formats and expects its state for all tensors."""
        torch.optim.Optimizer.__setstate__(self, state)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; `closure` computes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            if group["orthogonal"]:
                self._step_orthogonal(group)
        return loss

    def _step_orthogonal(self, group: dict[str, Any]) -> None:
        """Kernels of one shape are orthogonalised together."""
        shapes: dict[torch.Size, list[Tensor]] = {}
        for parameter in group["params"]:
            if parameter.grad is not None:
                shapes.setdefault(parameter.shape, []).append(parameter)
        for parameters in shapes.values():
            updates = torch.stack([self._momentum(parameter).flatten(1) for parameter in parameters])
            wide = updates.shape[1] <= updates.shape[2]
            orthogonal = orthogonalise(updates) if wide else orthogonalise(updates.mT).mT
            scale = 0.2 * math.sqrt(max(updates.shape[1:]))
            for parameter, update in zip(parameters, orthogonal, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(update.reshape(parameter.shape), alpha=group["lr"] * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        average: Tensor = state["momentum"].lerp_(gradient, 1 - self.momentum)
        return gradient.lerp(average, self.momentum)
