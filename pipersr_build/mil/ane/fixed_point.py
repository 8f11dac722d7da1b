"""Sums of products in 32-bit fixed point: 16 bits after the point, an end at ±32768.

By the source in the package's docstring (sections on the MAC path, H11 and H12):

- a product is rounded to 2⁻¹⁶, halves away from zero; it is dropped whole where the exponents of its
  factors add up to less than -16 (subnormal numbers count as -14);
- the bias, rounded alike, is what the sum begins with;
- a sum that reaches ±32768 at any moment is infinite from there on. In which order the engine adds is not
  known, so here it is infinite where the whole sum reaches it; `margins` bounds every order;
- infinity and NaN are read as the numbers 65536 and 98304 that their bits would be.

Sums are whole multiples of 2⁻¹⁶, so that their order changes nothing else.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pipersr_build.mil.ane.rounding import half_away, numbers, to_fp16
from pipersr_build.mil.ops import padding
from pipersr_build.mil.ops.arguments import Ints
from pipersr_build.mil.ops.convolution import conv as exact_conv

Kernel = tuple[Tensor, Tensor]

LIMIT = 32768.0
_ONE = 65536  # 1 in steps of the sum
_LEAST_EXPONENT, _SUBNORMAL = -16, -14
_MAGIC, _MAGIC_BITS = 192.0, 0x43400000  # between 128 and 256 the steps of float32 are 2⁻¹⁶
_PRODUCT, _SUM = 64.0, 256.0  # up to these, products and sums are exact in the fast way
_CHUNK = 2048  # positions at a time, so that a chunk of sums stays in the cache
_PIECE = 1 << 23  # factors at a time, 32 MiB


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """`ops.convolution.conv` of two spatial axes product by product; of one or three `limited` alone."""
    x, weight, ones = decoded(x), decoded(weight), [1] * (x.dim() - 2)
    strides, dilations = strides or ones, dilations or ones
    if x.dim() != 4:
        return limited(exact_conv(x, weight, bias, strides, pad_type, pad, dilations, groups))
    sizes = [*x.shape[2:]], [*weight.shape[2:]]
    x = padding.constant(x, padding.amounts(pad_type, pad, *sizes, strides, dilations))
    return torch.cat([_convolved(one[None], weight, bias, strides, dilations, groups) for one in x])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`ops.linear.linear` product by product: x (…, K), weight (N, K), result …, N."""
    rows = decoded(x).reshape(-1, x.shape[-1]).T
    return sums(rows, decoded(weight), bias).T.reshape(*x.shape[:-1], weight.shape[0])


def sums(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute weight · rows + bias in fixed point, float32 of shape O, P; ±infinity where it reaches ±32768.

    Args:
        rows: K, P; float32 that are fp16.
        weight: O, K; the same.
        bias: O.
    """
    start = torch.zeros(len(weight)) if bias is None else bias.float()
    start = half_away(start.double() * _ONE)
    pieces = torch.split(rows, _CHUNK, dim=1)
    if not _small(rows, weight, start):
        return torch.cat([_wide(piece, weight, start) for piece in pieces], dim=1)
    kernels = _by_exponent(weight)
    return torch.cat([_fast(piece, weight, start, kernels) for piece in pieces], dim=1)


def limited(value: Tensor) -> Tensor:
    """Sums that were computed in floating point, rounded to 2⁻¹⁶ once, and infinite from ±32768 on."""
    return _result(half_away(value.double() * _ONE))


def decoded(x: Tensor) -> Tensor:
    """A factor as the engine reads it: of fp16, and a number whatever it is."""
    return torch.where(x.isfinite(), to_fp16(x), numbers(x))


def _convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Ints, dilations: Ints, groups: int
) -> Tensor:
    """One padded picture 1, C, H, W, some rows of the result at a time."""
    outputs, factors, height, width = weight.shape
    spans = (height - 1) * dilations[0] + 1, (width - 1) * dilations[1] + 1
    size = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, strides, strict=True)]
    result = torch.empty(1, outputs, *size)
    row = factors * groups * height * width * size[1]
    for first, strip in _strips(x, size[0], spans[0], strides[0], row):
        rows = F.unfold(strip, (height, width), dilation=(dilations[0], dilations[1]),
                        stride=(strides[0], strides[1]))[0]  # fmt: skip
        kernels, shares = weight.flatten(1).chunk(groups), rows.chunk(groups)
        biases = [None] * groups if bias is None else bias.chunk(groups)
        parts = [sums(*each) for each in zip(shares, kernels, biases, strict=True)]
        found = torch.cat(parts).view(1, outputs, -1, size[1])
        result[:, :, first : first + found.shape[2]] = found
    return result


def _strips(x: Tensor, height: int, span: int, stride: int, factors: int) -> Iterator[tuple[int, Tensor]]:
    """The first row of the result and what of `x` some rows from there on need."""
    rows = max(1, _PIECE // max(1, factors))
    for first in range(0, height, rows):
        last = min(height, first + rows) - 1
        yield first, x[:, :, first * stride : last * stride + span]


def _small(rows: Tensor, weight: Tensor, start: Tensor) -> bool:
    """Whether every product, and every sum in any order, is exact in the fast way."""
    if not rows.numel() or not weight.numel():
        return False
    largest = float(rows.abs().max())
    if largest * float(weight.abs().max()) >= _PRODUCT / 2:
        return False
    room = _SUM - 1 - float(start.abs().max()) / _ONE
    if largest * float(weight.abs().sum(1).max()) < room:
        return True
    return float((weight.abs() @ rows.abs()).max()) < room


def _fast(rows: Tensor, weight: Tensor, start: Tensor, kernels: list[Kernel]) -> Tensor:
    """Sums of absolute values below 256, in whole numbers, factor by factor.

    Adding 192 makes float32 round a product to 2⁻¹⁶, and its bits are then those of 192 and the product in
    steps. It rounds halves to even; a factor one step of float32 further from zero tips these, and nothing
    else, because a product of two fp16 numbers has 22 bits. A matrix product of few columns does it: one for
    192, and one for the weights of each exponent, which keep the same factors.
    """
    further = torch.nextafter(rows, torch.copysign(torch.tensor(torch.inf), rows)).mul_(rows != 0)
    sizes, shape = rows.abs(), (rows.shape[1], len(weight))
    total = _wrapped(start - len(rows) * _MAGIC_BITS).repeat(shape[0], 1)
    product = torch.empty(shape)
    chosen = torch.empty(1 + max(len(thresholds) for thresholds, _ in kernels), shape[0])
    chosen[0] = _MAGIC
    for factor, (thresholds, columns) in enumerate(kernels):
        kept = chosen[1 : len(columns)]
        torch.ge(sizes[factor], thresholds, out=kept).mul_(further[factor])  # `where` is far slower
        torch.mm(chosen[: len(columns)].T, columns, out=product)
        total += product.view(torch.int32)
    return (total.float() / _ONE).T


def _by_exponent(weight: Tensor) -> list[Kernel]:
    """For every factor: the different thresholds of its weights (J, 1); ones and the weights (1 + J, O)."""
    found, thresholds = [], _threshold(_exponents(weight))
    for factor in range(weight.shape[1]):
        known, which = torch.unique(thresholds[:, factor], return_inverse=True)
        columns = torch.zeros(1 + len(known), len(weight))
        columns[0] = 1.0
        columns[1 + which, torch.arange(len(weight))] = weight[:, factor]
        found.append((known[:, None], columns))
    return found


def _wrapped(steps: Tensor) -> Tensor:
    """Whole numbers (float64) as int32, as two's complement wraps them."""
    return ((steps.long() + (1 << 31)).remainder(1 << 32) - (1 << 31)).int()


def _wide(rows: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    """Sums of any size, in float64, factor by factor."""
    total = start[:, None].repeat(1, rows.shape[1])
    exponents, sizes = _exponents(weight), rows.abs()
    for factor in range(len(rows)):
        kept = sizes[factor] >= _threshold(exponents[:, factor])[:, None]
        product = rows[factor].double() * weight[:, factor, None].double()
        total += half_away(product * _ONE) * kept
    return _result(total)


def _exponents(weight: Tensor) -> Tensor:
    """Of fp16 numbers, those that are not normal at their least."""
    return (torch.frexp(weight).exponent - 1).clamp_(min=_SUBNORMAL).masked_fill(weight == 0, _SUBNORMAL)


def _threshold(exponents: Tensor) -> Tensor:
    """The least size of the other factor with which a product is not dropped."""
    needed = _LEAST_EXPONENT - exponents
    return torch.where(needed <= _SUBNORMAL, 0.0, torch.exp2(needed.float()))


def _result(total: Tensor) -> Tensor:
    """Whole steps (float64) as float32 that round to fp16 as they themselves do.

    From 256 on float32 cannot hold them all; what lies between two multiples of 256 steps, far from every
    half of an fp16 step, is put between the two.
    """
    low = (total / 256).floor() * 256
    between = torch.where(total == low, total, low + 128)
    total = torch.where(total.abs() >= 1 << 24, between, total)
    over = total.abs() >= LIMIT * _ONE
    return torch.where(over, torch.copysign(torch.tensor(torch.inf).double(), total), total / _ONE).float()
