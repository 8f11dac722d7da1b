"""The anchor: the input repeated s^2 times, to which a network learns the residual."""

from torch import Tensor, nn

from pipersr_build.models.kernels import nearest_kernel


class FixedAnchor(nn.Module):
    """Repeats every colour scale^2 times: B, C, H, W to B, C scale^2, H, W; nothing is trained or stored."""

    weight: Tensor

    def __init__(self, scale: int, colours: int = 3) -> None:
        super().__init__()
        self.register_buffer("weight", nearest_kernel(colours, scale), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return C scale^2 channels."""
        return nn.functional.conv2d(x, self.weight)
