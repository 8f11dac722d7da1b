"""Convolutions that compute in 8 bits, simulated in floating point: W8A8.

A convolution's input is rounded to 256 steps of one range (per tensor, with a zero point), its kernel to
whole steps from -127 to 127 of one size per output channel; its bias and its sum stay exact. That is what
the `quantize`, `dequantize` and `constexpr` operations of a package say, and how Krishnamoorthi,
"Quantizing deep convolutional networks for efficient inference" (2018), and QuickSRNet's paper choose it.
Gradients pass through the rounding unchanged, and not where a value lies outside its range.

The ranges are measured once, on pictures (`quantize`), and kept: they are tensors of the network, so that
checkpoints and weights files hold them.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

LOW, HIGH = -128, 127  # of an 8-bit activation
LARGEST_WEIGHT = 127  # kernels are symmetric
SMALLEST_STEP = 2.0**-14  # fp16's smallest normal number: a package holds the steps in that type
RANGE = "activation_range"
_SAMPLES = 1 << 14  # values that are kept of a convolution's input on one batch
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4)  # of the full range that are tried


class QuantizedConv2d(nn.Conv2d):
    """A convolution in simulated 8 bits; `activation_range` holds its input's lowest and highest value."""

    activation_range: Tensor
    weight_rounded = True

    def __init__(self, convolution: nn.Conv2d, bounds: Tensor) -> None:
        with torch.device("meta"):
            super().__init__(*_arguments(convolution))
        self.weight, self.bias = convolution.weight, convolution.bias
        self.register_buffer(RANGE, bounds.detach().clone().to(convolution.weight))
        self.train(convolution.training)

    def plain(self) -> nn.Conv2d:
        """The same convolution without rounding, with its own parameters."""
        with torch.device("meta"):
            made = nn.Conv2d(*_arguments(self))
        made.weight, made.bias = self.weight, self.bias
        return made.train(self.training)

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W; in the parameters' type, whatever autocast asks for: bf16 has no more than 8 bits."""
        with torch.autocast(x.device.type, enabled=False):
            x = rounded_activation(x.to(self.weight.dtype), self.activation_range, fixed=not self.training)
            weight = rounded_weight(self.weight) if self.weight_rounded else self.weight
            result: Tensor = self._conv_forward(x, weight, self.bias)
            return result


def _arguments(convolution: nn.Conv2d) -> tuple[Any, ...]:
    """What `nn.Conv2d` takes to make one like this."""
    c = convolution
    return (c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups,
            c.bias is not None, c.padding_mode)  # fmt: skip


def rounded_activation(x: Tensor, bounds: Tensor, *, fixed: bool = False) -> Tensor:
    """`x` in 256 steps between `bounds`, which include 0 exactly.

    With `fixed`, the steps are constants of a traced network; otherwise they stay where the tensors are.
    """
    step, zero = activation_steps(bounds)
    if fixed:
        return torch.fake_quantize_per_tensor_affine(x, step.item(), int(zero.item()), LOW, HIGH)
    return torch.fake_quantize_per_tensor_affine(x, step, zero, LOW, HIGH)


@torch.no_grad()
def activation_steps(bounds: Tensor) -> tuple[Tensor, Tensor]:
    """The size of a step, as fp16 holds it, and the step (-128 to 127) that stands for 0."""
    low, high = bounds.float().clamp(max=0)[0], bounds.float().clamp(min=0)[1]
    step = ((high - low) / (HIGH - LOW)).half().float().clamp(min=SMALLEST_STEP)
    zero = (LOW - low / step).round().clamp(LOW, HIGH)
    return step, zero.to(torch.int32)


def rounded_weight(weight: Tensor) -> Tensor:
    """A kernel O, I, h, w in whole steps, per output channel; the steps as fp16 holds them."""
    with torch.no_grad():
        largest = weight.float().abs().amax((1, 2, 3))
        step = (largest / LARGEST_WEIGHT).half().float().clamp(min=torch.finfo(torch.half).tiny)
        zero = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -LARGEST_WEIGHT, LARGEST_WEIGHT)


def is_quantized(network: nn.Module) -> bool:
    """Whether any convolution of the network computes in simulated 8 bits."""
    return any(isinstance(module, QuantizedConv2d) for module in network.modules())


def plain(network: nn.Module) -> nn.Module:
    """A copy of the network in which no convolution rounds; other modules are as they were."""
    made = copy.deepcopy(network)
    if isinstance(made, QuantizedConv2d):
        return made.plain()
    for name, module in list(made.named_modules(remove_duplicate=False)):
        if isinstance(module, QuantizedConv2d):
            made.set_submodule(name, module.plain())
    return made


def for_conversion(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode that rounds activations alone: the package's weights are rounded later.

    They are whole steps already. Training leaves many weights between two steps, and to which of them such a
    weight belongs would change with its conversion to fp16.
    """
    made = copy.deepcopy(network).eval()
    for module in made.modules():
        if isinstance(module, QuantizedConv2d):
            module.weight = nn.Parameter(rounded_weight(module.weight.detach()))
            module.weight_rounded = False
    return made


def quantize(network: nn.Module, batches: Iterable[Tensor], keep: str = "none") -> nn.Module:
    """A copy of the network whose convolutions compute in simulated 8 bits, with ranges of `batches`.

    A convolution that never runs (some networks keep one for their training) stays as it is.
    The range of a convolution's input is the one, of several shares of the values' full range, at which
    rounding and clipping lose least on them (mean square). The picture itself is taken whole: 0 to 1.

    Args:
        network: B, 3, H, W in [0, 1] to B, 3, scale H, scale W; batch norms are to be folded before.
        batches: LR pictures like those that it will see: B, 3, H, W in [0, 1], at least one batch.
        keep: which convolutions are left as they are. `first`: those that take the picture itself; `ends`:
            also the one that runs last. In networks that pass the picture on from end to end, a rounding
            there goes straight into the result.

    Raises:
        ValueError: there is no batch.
    """
    meters = _measure(plain(network).eval(), batches)
    ran = {name: meter for name, meter in meters.items() if not meter.empty}
    rounded = {name: meter for name, meter in ran.items() if not _kept(meter, ran.values(), keep)}
    return with_ranges(plain(network), {name: meter.bounds() for name, meter in rounded.items()})


def _kept(meter: "_Meter", meters: Iterable["_Meter"], keep: str) -> bool:
    """Whether a convolution is at an end of the network that stays as it is."""
    first = keep != "none" and meter.is_picture
    return first or (keep == "ends" and meter.turn == max(one.turn for one in meters))


def with_ranges(network: nn.Module, ranges: dict[str, Tensor]) -> nn.Module:
    """The network, changed in place, with the named convolutions in simulated 8 bits.

    Raises:
        ValueError: a name is not that of a convolution.
    """
    modules, made = dict(network.named_modules(remove_duplicate=False)), {}
    for name, bounds in ranges.items():
        module = modules.get(name)
        if not isinstance(module, nn.Conv2d):
            raise ValueError(f"{name} is no convolution")
        if module not in made:
            made[module] = QuantizedConv2d(module, bounds)
        network.set_submodule(name, made[module])
    return network


def as_in_file(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network, changed in place, with those convolutions in simulated 8 bits whose ranges are stored.

    Raises:
        ValueError: a range belongs to no convolution, or is none.
    """
    ranges = {key: value for key, value in tensors.items() if key.endswith(f".{RANGE}")}
    for key, value in ranges.items():
        if value.shape != (2,) or not value.isfinite().all() or value[0] > 0 or value[1] < 0:
            raise ValueError(f"{key} is no range about 0")
    return with_ranges(network, {key.removesuffix(f".{RANGE}"): value for key, value in ranges.items()})


class _Meter:
    """The extremes of what a convolution is given, and a sample of it."""

    def __init__(self) -> None:
        self.low, self.high, self.is_picture, self.turn = 0.0, 0.0, False, 0
        self.samples: list[Tensor] = []

    @property
    def empty(self) -> bool:
        return not self.samples

    def see(self, x: Tensor, picture: Tensor, turn: int) -> None:
        self.is_picture, self.turn = x is picture, turn
        self.low, self.high = min(self.low, x.min().item()), max(self.high, x.max().item())
        flat = x.detach().flatten()
        self.samples.append(flat[:: max(1, flat.numel() // _SAMPLES)].float().cpu().clone())

    def bounds(self) -> Tensor:
        """The lowest and highest value that are told apart."""
        if self.is_picture:
            return torch.tensor([0.0, 1.0])
        values, whole = torch.cat(self.samples), torch.tensor([self.low, self.high])
        losses = [_loss(values, share * whole) for share in _SHARES]
        return _SHARES[int(torch.stack(losses).argmin())] * whole


def _loss(values: Tensor, bounds: Tensor) -> Tensor:
    """What rounding in `bounds` loses on values: the mean square, added in float64."""
    return (rounded_activation(values, bounds) - values).double().square().mean()


@torch.no_grad()
def _measure(network: nn.Module, batches: Iterable[Tensor]) -> dict[str, _Meter]:
    """What every convolution of the network is given on the batches, by its names."""
    named = dict(network.named_modules(remove_duplicate=False))
    names = [name for name, module in named.items() if isinstance(module, nn.Conv2d)]
    meters = {module: _Meter() for module in map(named.__getitem__, names)}
    kind, seen = next(network.parameters()), 0
    for batch in batches:
        picture = batch.to(kind)
        _watch(network, meters, picture)
        seen += 1
    if not seen:
        raise ValueError("ranges need at least one batch to be measured on")
    return {name: meters[named[name]] for name in names}


def _watch(network: nn.Module, meters: dict[nn.Module, _Meter], picture: Tensor) -> None:
    """Run the network once, in its own type, and let the meters see."""
    turns = count()

    def look(module: nn.Module, inputs: Sequence[Tensor]) -> None:
        meters[module].see(inputs[0], picture, next(turns))

    hooks = [module.register_forward_pre_hook(look) for module in meters]
    try:
        with torch.autocast(picture.device.type, enabled=False):
            network(picture)
    finally:
        for hook in hooks:
            hook.remove()
