"""What advice says with numbers: computed words for the sentences of the rule file's advice rows.

Beside these, an advice row may use every quantity of `quantities.py`, as the rules' reasons may.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipersr_build.evidence import OperationPlacement
from pipersr_build.mil.graph import TensorType
from pipersr_build.placement import chips
from pipersr_build.placement.quantities import Subject
from pipersr_build.placement.work import size

KERNEL_PART, COLUMN_PART = 13, 29  # within what every chip is said to take; exports split likewise
LARGEST_POOL = 8
LARGEST_EXTENT = 65536
LARGEST_SUM = 32768
LARGEST_RANK = 5
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Site:
    """An operation that advice is about, with its placement and the whole's estimate where they are known.

    Attributes:
        subject: the operation in its graph.
        record: its predicted placement.
        total: ms that all operations are estimated at together, each on its own device.
        estimate: what Core ML is expected to estimate for an operation on the engine, in ms.
    """

    subject: Subject
    record: OperationPlacement | None = None
    total: float | None = None
    estimate: Callable[[Subject], float | None] | None = None


def _kernel_parts(site: Site) -> str:
    """`4 convolutions of at most 8×8`."""
    kernel = [int(n) for n in site.subject.number("kernel")]
    if len(kernel) != 2:
        return "several smaller ones"
    most = (COLUMN_PART if kernel[1] == 1 else KERNEL_PART, KERNEL_PART)
    counts = [max(1, math.ceil(n / part)) for n, part in zip(kernel, most, strict=True)]
    sides = [math.ceil(n / count) for n, count in zip(kernel, counts, strict=True)]
    return f"{math.prod(counts)} convolutions of at most {sides[0]}×{sides[1]}"


def _pool_parts(site: Site) -> str:
    """How many poolings in a row see as much: each adds its extent less one."""
    steps = max((math.ceil((n - 1) / (LARGEST_POOL - 1)) for n in site.subject.number("kernel")), default=2)
    sides = [1 + math.ceil((n - 1) / steps) for n in site.subject.number("kernel")]
    return f"{steps:.0f} max_pool of at most {'×'.join(f'{side:.0f}' for side in sides)}"


def _pieces(site: Site) -> str:
    largest = site.subject.number("largest_extent")
    return f"{math.ceil(largest[0] / LARGEST_EXTENT)}" if largest else UNKNOWN


def _sums(site: Site) -> str:
    summed = site.subject.number("contraction")
    return f"{math.ceil(summed[0] / LARGEST_SUM)}" if summed else UNKNOWN


def _channels(site: Site) -> int:
    return int(next(iter(site.subject.number("output_channels")), 0))


def _wider(site: Site) -> str:
    return _multiples(_channels(site), 32)


def _rounded(site: Site) -> str:
    return _multiples(_channels(site), 16)


def _multiples(channels: int, step: int) -> str:
    """The next multiples of `step` channels, down and up, as far as an extent may go."""
    below, above = channels // step * step, -(-channels // step) * step
    return " or ".join(f"{n}" for n in (min(below, LARGEST_EXTENT), above) if 0 < n <= LARGEST_EXTENT)


def _dense(site: Site) -> str:
    """What the convolution would cost with all channels in one group."""
    operation, weight = site.subject.operation, site.subject.shape("weight")
    channels = site.subject.shape("x")[1:2]
    more = f"a dense one does {channels[0]} times the arithmetic" if channels else "a dense one does more"
    kernel = operation.constant("weight")
    depthwise = None if site.estimate is None else site.estimate(site.subject)
    if site.estimate is None or kernel is None or not channels or not depthwise:
        return more
    full = replace(kernel, type=TensorType(kernel.type.dtype, (weight[0], channels[0], *weight[2:])))
    inputs = {k: v for k, v in operation.inputs.items() if k != "groups"} | {"weight": (full,)}
    dense = site.estimate(Subject(replace(operation, inputs=inputs), site.subject.graph))
    return more if dense is None else f"{more} for {dense / depthwise - 1:+.0%} of the estimate"


def _channel_rates(site: Site) -> str:
    """What the next multiple of 32 costs and does, by the measured shares of an engine's rate."""
    channels, shares = _channels(site), chips.load().channels
    above = -(-channels // 32) * 32
    work = (above / channels) ** 2
    time = work * shares.at(channels) / shares.at(above)
    return f"{above} channels do {work:.2f} times the work in about {time:.2f} times the time"


def _dilation_steps(site: Site) -> str:
    """The dilation as factors of 2 and 3."""
    found = []
    for dilation in sorted({int(n) for n in site.subject.number("dilation")}):
        factors, left = [], dilation
        for prime in (2, 3):
            while left % prime == 0:
                factors.append(prime)
                left //= prime
        whole = left == 1
        found.append(
            f"{dilation} = {'·'.join(map(str, factors))}" if whole else f"{dilation} has other factors"
        )
    return ", ".join(found)


def _fewer_axes(site: Site) -> str:
    """How the largest tensor comes to rank 5."""
    largest = max(site.subject.tensors, key=lambda t: len(t.shape))
    ones = sum(n == 1 for n in largest.shape)
    needed = len(largest.shape) - LARGEST_RANK
    if ones >= needed:
        return f"{largest}: leave out {needed} of its {ones} axes of extent 1"
    return f"{largest}: merge neighbouring axes, or work on slices along one of them"


def _shuffled(site: Site) -> str:
    """The convolution and pixel shuffle that do the same as a transposed convolution."""
    strides, kernel = site.subject.number("stride"), site.subject.number("kernel")
    if len(set(strides)) != 1 or len(kernel) != 2:
        return "a convolution and pixel_shuffle"
    factor, channels = int(strides[0]), _channels(site)
    sides = "×".join(f"{math.ceil(k / factor)}" for k in kernel)
    return f"a {sides} convolution to {channels * factor**2} channels and pixel_shuffle by {factor}"


def _mib(site: Site) -> str:
    """MiB that it reads at run time."""
    return f"{size(site.subject.operands) / 2**20:.3g}"


def _plane(site: Site) -> str:
    """Width and height of what it reads."""
    shapes = [t.shape for t in site.subject.operands if len(t.shape) >= 3]
    return f"{shapes[0][-1]}×{shapes[0][-2]}" if shapes else UNKNOWN


def _estimate(site: Site) -> str:
    """Its estimated time on its device, and its share of the whole."""
    estimates = None if site.record is None else site.record.estimates
    if estimates is None or estimates.ane_ms is None:
        return "an unknown time"
    time = f"{estimates.ane_ms:.3g} ms on the ANE by Core ML's estimate"
    return f"{time}, {estimates.ane_ms / site.total:.0%} of all operations" if site.total else time


def _rate(site: Site) -> str:
    """TFLOP/s that Core ML's estimate amounts to."""
    estimates = None if site.record is None else site.record.estimates
    if estimates is None or not estimates.ane_ms:
        return UNKNOWN
    return f"{estimates.flop / estimates.ane_ms / 1e9:.3g} TFLOP/s"


def _types(site: Site) -> str:
    """The types and shapes of what it reads and writes."""
    tensors: tuple[TensorType, ...] = site.subject.tensors
    return ", ".join(dict.fromkeys(map(str, tensors))) or "constants"


WORDS: dict[str, Callable[[Site], str]] = {
    "channel_rates": _channel_rates,
    "dense": _dense,
    "dilation_steps": _dilation_steps,
    "estimate": _estimate,
    "fewer_axes": _fewer_axes,
    "kernel_parts": _kernel_parts,
    "mib": _mib,
    "pieces": _pieces,
    "plane": _plane,
    "pool_parts": _pool_parts,
    "rate": _rate,
    "rounded": _rounded,
    "shuffled": _shuffled,
    "sums": _sums,
    "types": _types,
    "wider": _wider,
}

# Words that detectors add to what they find.
FOUND = {"answer", "axes", "neighbours", "pixels", "saved", "needed", "size", "times", "tiles"}
