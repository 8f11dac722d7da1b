"""What one operation costs by arithmetic alone: floating-point operations and bytes.

A multiplication and an addition count as two operations, the usual way. Operations that only move data
count none; activations and normalisations count the few that their formula has per element, which is a
convention and matters little beside a convolution.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipersr_build.mil import dtypes
from pipersr_build.mil.graph import Constant, TensorType
from pipersr_build.placement.quantities import COMPILE_TIME, Subject

MOVES = {
    "batch_to_space", "cast", "concat", "crop", "crop_resize", "depth_to_space", "expand_dims", "fill",
    "fill_like", "flatten2d", "gather", "gather_along_axis", "gather_nd", "identity", "non_zero", "pad",
    "pixel_shuffle", "pixel_unshuffle", "range_1d", "reshape", "reshape_like",
    "resize_nearest_neighbor", "reverse", "reverse_sequence", "scatter", "scatter_along_axis",
    "scatter_nd", "select", "shape", "slice_by_index", "slice_by_size", "slice_update",
    "sliding_windows", "space_to_batch", "space_to_depth", "split", "squeeze", "stack", "tile",
    "transpose", "upsample_nearest_neighbor", "read_state", "write_state",
    "coreml_update_state",
}  # fmt: skip
PER_ELEMENT: dict[str, float] = {
    "batch_norm": 2, "instance_norm": 7, "layer_norm": 7, "l2_norm": 3, "local_response_norm": 5,
    "softmax": 3, "gelu": 8, "silu": 4, "sigmoid": 3, "tanh": 3, "softplus": 3, "erf": 8,
    "resize_bilinear": 7, "upsample_bilinear": 7, "resample": 7, "resize": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """FLOP, and bytes that are read, written, and constant (weights and parameters)."""

    flop: float
    read: float
    written: float
    constant: float

    @property
    def bytes(self) -> float:
        """All bytes."""
        return self.read + self.written + self.constant

    @property
    def intensity(self) -> float | None:
        """FLOP per byte; None where no byte moves."""
        return self.flop / self.bytes if self.bytes else None


def work(subject: Subject) -> Work:
    """The work of one operation; extents that are not known before run time count as one.

    Weights that `constexpr_*` operations decompress count as they are stored, in the operation that
    uses them; the `constexpr_*` operation itself does no work at run time.
    """
    if subject.operation.type.startswith(COMPILE_TIME):
        return Work(0.0, 0.0, 0.0, 0.0)
    return Work(flop(subject), size(subject.operands), size(subject.results), _constants(subject))


def flop(subject: Subject) -> float:
    """Floating-point operations of one operation."""
    kind = subject.operation.type
    out = sum(count(t) for t in subject.results[:1])
    if kind == "conv":
        return 2.0 * _product(subject.shape("weight")[1:]) * out
    if kind == "conv_transpose":
        return 2.0 * _product(subject.shape("weight")[1:]) * _product(subject.shape("x"))
    if kind in ("linear", "matmul"):
        return 2.0 * _product(subject.shape("x")[-1:] if kind == "linear" else _summed(subject)) * out
    if kind == "scaled_dot_product_attention":
        return 4.0 * _product(subject.shape("query")) * _product(subject.shape("key")[-2:-1])
    if kind in MOVES:
        return 0.0
    if kind.startswith(("reduce_", "cumsum")):
        return sum(count(t) for t in subject.operands)
    if kind.endswith("_pool"):
        return _product(int(k) for k in subject.literal("kernel_sizes")) * out
    return PER_ELEMENT.get(kind, 1.0) * out


def count(type_: TensorType) -> float:
    """Elements of a tensor, unknown extents as one."""
    return _product(type_.shape)


def size(types: Iterable[TensorType]) -> float:
    """Bytes of tensors, unknown extents as one; types without a size count none."""
    return sum(_bits(t.dtype) / 8 * count(t) for t in types)


def _bits(dtype: str) -> int:
    known = dtypes.NUMPY.get(dtype)
    return dtypes.SUB_BYTE_BITS.get(dtype, 0) if known is None else 8 * known.itemsize


def _product(extents: Iterable[int | None]) -> float:
    return float(math.prod(1 if n is None else n for n in extents))


def _summed(subject: Subject) -> tuple[int | None, ...]:
    shape = subject.shape("x")
    return shape[-2:-1] if any(subject.literal("transpose_x")) else shape[-1:]


def _constants(subject: Subject) -> float:
    graph, total = subject.graph, 0.0
    for arguments in subject.operation.inputs.values():
        for argument in arguments:
            if isinstance(argument, Constant):
                total += size([argument.type])
            elif graph.compile_time(argument):
                bound = graph.makers[argument].inputs.values()
                total += size(a.type for some in bound for a in some if isinstance(a, Constant))
    return total
