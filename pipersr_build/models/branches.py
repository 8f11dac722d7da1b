"""Convolutions that are trained as a sum of branches and are one 3x3 convolution at every moment.

RepVGG (Ding et al. 2021) and ECBSR (Zhang et al. 2021) run the branches side by side in training and
add their kernels for deployment. The branches here are linear, so their kernels can be added before
every forward instead, and one 3x3 convolution is run: the same function and the same gradient at the
cost of the plain network (Hu et al. 2022, "Online convolutional re-parameterization"). As there, a gain
for each output channel stands where RepVGG has a batch norm.

No branch has a bias of its own: the sum has one. So zero padding of the sum is zero padding of every
branch, and the collapse is exact at the borders too.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from pipersr_build.models.collapsible import Collapsible

FILTERS = (  # ECBSR's: horizontal and vertical Sobel, Laplacian
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),
    ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
    ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
)
EXPANSION = 2  # ECBSR's depth multiplier
EDGE_GAIN = 1e-3  # the size of ECBSR's first gains, which are random


class Branch(nn.Module):
    """A linear map without bias that is a 3x3 convolution."""

    def kernel(self) -> Tensor:
        """Its 3x3 kernel: out, in, 3, 3."""
        raise NotImplementedError


class Square(Branch):
    """A 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _weight(outputs, inputs, 3)

    def kernel(self) -> Tensor:
        """The weight itself."""
        return self.weight


class Point(Branch):
    """A 1x1 convolution and a gain for each of its outputs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _weight(outputs, inputs, 1)
        self.gain = nn.Parameter(torch.ones(outputs))

    def kernel(self) -> Tensor:
        """The 1x1 kernel in the middle of zeros."""
        return _middle(self.weight[:, :, 0, 0] * self.gain[:, None])


class Identity(Branch):
    """Every channel to itself, times a gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def kernel(self) -> Tensor:
        """The gains on the diagonal of the middle taps."""
        return _middle(torch.diag(self.gain))


class Expand(Branch):
    """A 1x1 convolution to more channels, then a 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.point = _weight(EXPANSION * outputs, inputs, 1)
        self.square = _weight(outputs, EXPANSION * outputs, 3)

    def kernel(self) -> Tensor:
        """The product over the channels between."""
        return _inputs_last(self.square.permute(0, 2, 3, 1) @ self.point[:, :, 0, 0])


class Edges(Branch):
    """1x1 convolutions, each followed by a fixed filter with a gain for each output; their sum."""

    filters: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("filters", torch.tensor(FILTERS), persistent=False)
        self.weight = nn.Parameter(torch.stack([_weight(outputs, inputs, 1)[:, :, 0, 0] for _ in FILTERS]))
        self.gain = nn.Parameter(torch.full((len(FILTERS), outputs), EDGE_GAIN))

    def kernel(self) -> Tensor:
        """The sum over the filters of weight times gain times filter."""
        weight = self.weight * self.gain[:, :, None]  # filter, out, in
        return _inputs_last(torch.tensordot(self.filters, weight, dims=([0], [0])).permute(2, 0, 1, 3))


def _weight(outputs: int, inputs: int, size: int) -> nn.Parameter:
    """A weight with the random start of PyTorch's own convolutions."""
    return nn.Parameter(nn.Conv2d(inputs, outputs, size, bias=False).weight.detach())


def _middle(weight: Tensor) -> Tensor:
    """The 3x3 kernel with out, in in its middle and zeros around."""
    return _inputs_last(pad(weight[:, None, None, :], (0, 0, 1, 1, 1, 1)))


def _inputs_last(kernel: Tensor) -> Tensor:
    """The kernel out, 3, 3, in as out, in, 3, 3, not moved: adding kernels of one layout is fastest."""
    return kernel.permute(0, 3, 1, 2)


def _repvgg(inputs: int, outputs: int) -> dict[str, Branch]:
    return {"point": Point(inputs, outputs), **_identity(inputs, outputs)}


def _ecb(inputs: int, outputs: int) -> dict[str, Branch]:
    expand, edges = Expand(inputs, outputs), Edges(inputs, outputs)
    return {"expand": expand, "edges": edges, **_identity(inputs, outputs)}


def _identity(inputs: int, outputs: int) -> dict[str, Branch]:
    return {"identity": Identity(outputs)} if inputs == outputs else {}


# what stands beside the 3x3 branch, by `PiperSRConfig.branches`
BESIDE: dict[str, Callable[[int, int], dict[str, Branch]]] = {
    "plain": lambda inputs, outputs: {},  # noqa: ARG005
    "repvgg": _repvgg,
    "ecb": _ecb,
}


class RepConv2d(Collapsible):
    """A 3x3 convolution with bias and zero padding, whose kernel is the sum of its branches' kernels.

    Args:
        inputs: channels in.
        outputs: channels out.
        kind: a key of `BESIDE`.
    """

    def __init__(self, inputs: int, outputs: int, kind: str) -> None:
        super().__init__()
        self.square = Square(inputs, outputs)
        self.beside = nn.ModuleDict(BESIDE[kind](inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    @classmethod
    def of(cls, convolution: nn.Conv2d, kind: str) -> "RepConv2d":
        """The branched form of a 3x3 convolution: the same function, other parameters."""
        made = cls(convolution.in_channels, convolution.out_channels, kind).to(convolution.weight)
        assert convolution.bias is not None
        assign(made, convolution.weight, convolution.bias)
        return made

    def kernel(self) -> Tensor:
        """The collapsed kernel (out, in, 3, 3), differentiable, never in lower precision by autocast."""
        with torch.autocast(self.bias.device.type, enabled=False):
            total = self.square.kernel()
            for branch in self.beside.values():
                assert isinstance(branch, Branch)
                total = total + branch.kernel()
            return total

    def forward(self, x: Tensor) -> Tensor:
        """Convolve: B, in, H, W to B, out, H, W."""
        return conv2d(x, self.kernel(), self.bias, padding=1)

    def collapse(self) -> nn.Conv2d:
        """The plain convolution with the same kernel and bias; draws no random numbers."""
        kernel = self.kernel().detach()
        outputs, inputs = kernel.shape[:2]
        plain = nn.Conv2d(inputs, outputs, 3, padding=1, device="meta").train(self.training)
        plain.weight = nn.Parameter(kernel.clone())
        plain.bias = nn.Parameter(self.bias.detach().clone())
        return plain


Convolution = nn.Conv2d | RepConv2d


def kernel_of(convolution: Convolution) -> Tensor:
    """The kernel of either form: out, in, 3, 3."""
    return convolution.weight if isinstance(convolution, nn.Conv2d) else convolution.kernel()


@torch.no_grad()
def assign(convolution: Convolution, kernel: Tensor, bias: Tensor) -> None:
    """Give either form this kernel (out, in, 3, 3) and bias (out).

    Of a branched one the 3x3 branch takes up the difference to what the other branches add, so that
    the sum equals `kernel` to the rounding of one addition.
    """
    if isinstance(convolution, nn.Conv2d):
        convolution.weight.copy_(kernel)
    else:
        convolution.square.weight.add_(kernel - convolution.kernel())
    assert convolution.bias is not None
    convolution.bias.copy_(bias)


def expand(network: nn.Module, kind: str) -> None:
    """Replace, in place, every 3x3 convolution inside `network` by its branched form; the function stays.

    Args:
        network: its 3x3 convolutions have a bias, stride 1 and zero padding of 1.
        kind: a key of `BESIDE`; with "plain" nothing is done.
    """
    if kind == "plain":
        return
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            network.set_submodule(name, RepConv2d.of(module, kind))
