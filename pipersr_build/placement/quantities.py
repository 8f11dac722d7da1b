"""What a rule may ask about one operation: its run-time tensors and a closed list of numbers.

Values that `constexpr_*` operations decompress are known when a model is compiled, so they count as
constants here, as literal constants do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pipersr_build.mil import dtypes
from pipersr_build.mil.graph import Argument, Constant, Function, Operation, Shape, TensorType

Numbers = tuple[float, ...]  # empty: the operation has no such number, or it is not known before run time

COMPILE_TIME = "constexpr_"


class Graph:
    """What the rules need of a function beyond one operation.

    Attributes:
        function: the function itself.
        types: the type of every value, by name.
        makers: the operation that computes a value, by the value's name.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.types = function.types()
        self.makers = {out.name: op for op in function.walk() for out in op.outputs}

    @cached_property
    def constant_bytes(self) -> int:
        """Bytes of all constants as they are stored, each once however often it is used."""
        bound = (a for op in self.function.walk() for some in op.inputs.values() for a in some)
        constants = {id(a): a.type for a in bound if isinstance(a, Constant)}
        sized = [t for t in constants.values() if t.dtype in dtypes.NUMPY or t.dtype in dtypes.SUB_BYTE_BITS]
        return sum(dtypes.byte_length(t.dtype, t.count) for t in sized)

    def compile_time(self, argument: Argument) -> bool:
        """Whether the argument's value is known when the model is compiled."""
        if isinstance(argument, Constant):
            return True
        maker = self.makers.get(argument)
        return maker is not None and maker.type.startswith(COMPILE_TIME)

    def type_of(self, argument: Argument) -> TensorType | None:
        """The argument's type; None for a name that the function does not define."""
        return argument.type if isinstance(argument, Constant) else self.types.get(argument)


@dataclass(frozen=True)
class Subject:
    """One operation in its graph: the thing that conditions are evaluated on."""

    operation: Operation
    graph: Graph

    @cached_property
    def operands(self) -> tuple[TensorType, ...]:
        """Types of the tensors that the operation reads at run time, in argument order."""
        bound = [a for arguments in self.operation.inputs.values() for a in arguments]
        types = [self.graph.type_of(a) for a in bound if not self.graph.compile_time(a)]
        return tuple(t for t in types if t is not None)

    @cached_property
    def results(self) -> tuple[TensorType, ...]:
        """Types of the tensors that the operation writes at run time."""
        if self.operation.type.startswith(COMPILE_TIME):
            return ()
        return tuple(out.type for out in self.operation.outputs)

    @property
    def tensors(self) -> tuple[TensorType, ...]:
        """Operands and results."""
        return self.operands + self.results

    def shape(self, *names: str) -> Shape:
        """Shape of the first of these inputs that is bound; () if none is."""
        for name in names:
            bound = self.operation.argument(name)
            if bound is not None:
                type_ = self.graph.type_of(bound)
                return () if type_ is None else type_.shape
        return ()

    def literal(self, name: str) -> Numbers:
        """The numbers in a constant input; () if it is absent, not constant, or not of numbers."""
        constant = self.operation.constant(name)
        if constant is None or constant.type.dtype not in dtypes.NUMPY:
            return ()
        return tuple(float(value) for value in constant.tolist())

    def text(self, name: str) -> str | None:
        """The string in a constant input; None if it is absent, not constant, or not one string."""
        constant = self.operation.constant(name)
        values = [] if constant is None or constant.type.dtype != "string" else constant.tolist()
        return str(values[0]) if len(values) == 1 else None

    def number(self, quantity: str) -> Numbers:
        """The named quantity of this operation; `quantity` is a key of `QUANTITIES`."""
        return QUANTITIES[quantity](self)


def _known(shape: Shape) -> Numbers:
    return () if None in shape else tuple(float(n or 0) for n in shape)


def _first(numbers: Numbers) -> Numbers:
    return numbers[:1]


def _spatial_inputs(subject: Subject) -> Numbers:
    """Kernel extents, slowest axis first: of the weight, or as a pooling operation states them."""
    return _known(subject.shape("weight")[2:]) or subject.literal("kernel_sizes")


def _kernel_width(subject: Subject) -> Numbers:
    return _spatial_inputs(subject)[-1:]


def _kernel_height(subject: Subject) -> Numbers:
    kernel = _spatial_inputs(subject)
    return (1.0,) if len(kernel) == 1 else kernel[-2:-1]


def _or_one(name: str) -> Callable[[Subject], Numbers]:
    """The literal `name`, or 1 where the operation leaves it out: MIL's default for all of these."""

    def read(subject: Subject) -> Numbers:
        if subject.operation.argument(name) is None:
            return (1.0,)
        return subject.literal(name)

    return read


def _stride(subject: Subject) -> Numbers:
    return _or_one("stride" if "stride" in subject.operation.inputs else "strides")(subject)


def _group_channels(subject: Subject) -> Numbers:
    """Input channels in one group of a convolution; 1 is a depthwise convolution."""
    return _first(_known(subject.shape("weight")[1:2]))


def _kernel_span(subject: Subject) -> Numbers:
    """Extent of the kernel with the gaps that dilation makes: (kernel - 1) · dilation + 1 along each axis."""
    kernel = _spatial_inputs(subject)
    dilation = _or_one("dilations")(subject)
    steps = dilation * len(kernel) if len(dilation) == 1 else dilation
    if len(steps) != len(kernel):
        return ()
    return tuple((k - 1) * step + 1 for k, step in zip(kernel, steps, strict=True))


_FACTORS = ("upscale_factor", "downscale_factor", "block_size", "block_shape")
_SCALES = ("scale_factor_height", "scale_factor_width")


def _factor(subject: Subject) -> Numbers:
    """How much each spatial axis grows or shrinks, as the operation states it."""
    return tuple(value for name in _FACTORS + _SCALES for value in subject.literal(name))


def _scale(subject: Subject) -> Numbers:
    """Result extent ÷ operand extent, height then width."""
    if not subject.results:
        return ()
    before, after = _known(subject.shape("x")[-2:]), _known(subject.results[0].shape[-2:])
    if len(before) != len(after) or not all(before):
        return ()
    return tuple(b / a for a, b in zip(before, after, strict=True))


def _axis(subject: Subject) -> Numbers:
    """The axis, counted from the front."""
    rank = len(subject.shape("x", "values"))
    return tuple(a if a >= 0 else a + rank for a in subject.literal("axis"))


def _axis_extent(subject: Subject) -> Numbers:
    """Extent of the first operand along the axis."""
    shape, axis = subject.shape("x", "values"), _axis(subject)
    inside = len(axis) == 1 and 0 <= axis[0] < len(shape)
    return _known((shape[int(axis[0])],)) if inside else ()


def _width_from(subject: Subject) -> Numbers:
    """Which axis a transpose makes the last one, counted from the back; 0 if the last axis stays."""
    order = subject.literal("perm")
    return (len(order) - 1 - order[-1] % len(order),) if order else ()


_ROWS = ("fp16", "int8", "uint8")  # element types of arrays that the engine itself reads and writes


def _border_width(subject: Subject) -> Numbers:
    """Last extents of the function's inputs that the operation reads and of its outputs that it writes.

    Single numbers and types that the engine does not take are left out: no rows of theirs are padded.
    """
    graph, bound = subject.graph, subject.operation.inputs.values()
    outputs = {a for a in graph.function.body.outputs if isinstance(a, str)}
    read = [graph.function.inputs[a] for some in bound for a in some if a in graph.function.inputs]
    written = [out.type for out in subject.operation.outputs if out.name in outputs]
    rows = [t for t in read + written if t.dtype in _ROWS and t.count != 1]
    return tuple(n for t in rows for n in _known(t.shape[-1:]))


def _contraction(subject: Subject) -> Numbers:
    """How many products one result of a matrix multiplication sums."""
    shape = subject.shape("x")
    if len(shape) < 2:
        return _known(shape)
    axis = -2 if any(subject.literal("transpose_x")) else -1
    return _known((shape[axis],))


def _largest(subject: Subject) -> Numbers:
    known = [n for t in subject.tensors for n in t.shape if n is not None]
    return (float(max(known)),) if known else ()


def _model_bytes(subject: Subject) -> Numbers:
    """Bytes of the function's constants, asked of the operation that makes its first output alone."""
    graph = subject.graph
    last = [a for a in graph.function.body.outputs[:1] if isinstance(a, str)]
    made_here = {out.name for out in subject.operation.outputs}.intersection(last)
    return (float(graph.constant_bytes),) if made_here else ()


def _tensor_bytes(subject: Subject) -> Numbers:
    """Bytes of the largest run-time tensor of which every extent is known."""
    known = [t for t in subject.tensors if t.static and t.dtype in dtypes.NUMPY]
    return (float(max(dtypes.byte_length(t.dtype, t.count) for t in known)),) if known else ()


def _planes(subject: Subject) -> list[Numbers]:
    """Height and width of every run-time tensor of rank 3 or more with a known one."""
    planes = (_known(t.shape[-2:]) for t in subject.tensors if len(t.shape) >= 3)
    return [plane for plane in planes if plane]


def _pixels(subject: Subject) -> Numbers:
    return _first(tuple(sorted(map(math.prod, _planes(subject)), reverse=True)))


def _largest_side(subject: Subject) -> Numbers:
    return _first(tuple(sorted(map(max, _planes(subject)), reverse=True)))


def _blocks(subject: Subject) -> Numbers:
    """Most scales along an axis of a weight that has fewer scales than elements; 1 without blocks."""
    data, scale = _known(subject.shape("data")), _known(subject.shape("scale"))
    if not scale or len(data) != len(scale):
        return ()
    return (max([1.0, *(s for s, n in zip(scale, data, strict=True) if 1 < s < n)]),)


def _lut_vector(subject: Subject) -> Numbers:
    """Elements that one entry of a look-up table stands for."""
    table, indices = _known(subject.shape("lut")), subject.shape("indices")
    return table[-1:] if len(table) == len(indices) + 2 else (1.0,)


def conv_flop(subject: Subject) -> float:
    """FLOP of a convolution as Core ML's estimates count them: a dilated one is charged for less."""
    out = subject.results[0].count if subject.results else 0
    kernel = math.prod(n or 1 for n in subject.shape("weight")[1:])
    return 2.0 * kernel * out / math.prod(_or_one("dilations")(subject))


def _conv_intensity(subject: Subject) -> Numbers:
    """MFLOP per MiB of operands, results and weights."""
    weight = subject.operation.constant("weight"), subject.operation.constant("bias")
    types = [*subject.tensors, *(w.type for w in weight if w is not None)]
    total = sum(dtypes.byte_length(t.dtype, t.count) for t in types if t.dtype in dtypes.NUMPY)
    return (conv_flop(subject) / 1e6 / (total / 2**20),) if total else ()


def _broadcast(subject: Subject) -> Numbers:
    """1 if the run-time operands differ in shape or one operand is a constant, else 0."""
    shapes = {t.shape for t in subject.operands}
    return (float(len(shapes) != 1 or len(subject.operands) < 2),)


def _broadcast_batch(subject: Subject) -> Numbers:
    """1 if the run-time operands have one rank and differ in their first extent, else 0."""
    ranks = {len(t.shape) for t in subject.operands}
    return (float(len(ranks) == 1 and len({t.shape[:1] for t in subject.operands}) > 1),)


def _moved_batch(subject: Subject) -> Numbers:
    """1 if a transpose moves the first axis, else 0."""
    order = subject.literal("perm")
    rank = len(order)
    return (float(order[0] % rank != 0),) if order else ()


QUANTITIES: dict[str, Callable[[Subject], Numbers]] = {
    "axis": _axis,
    "axis_extent": _axis_extent,
    "batch": lambda s: _first(_known(s.shape("x")[:1])),
    "blocks": _blocks,
    "border_width": _border_width,
    "broadcast": _broadcast,
    "broadcast_batch": _broadcast_batch,
    "branches": lambda s: (float(len(s.operands)),),
    "conv_intensity": _conv_intensity,
    "contraction": _contraction,
    "dilation": _or_one("dilations"),
    "factor": _factor,
    "group_channels": _group_channels,
    "groups": _or_one("groups"),
    "kernel": _spatial_inputs,
    "kernel_height": _kernel_height,
    "kernel_span": _kernel_span,
    "kernel_width": _kernel_width,
    "largest_extent": _largest,
    "largest_side": _largest_side,
    "largest_rank": lambda s: (float(max((len(t.shape) for t in s.tensors), default=0)),),
    "lut_vector": _lut_vector,
    "model_bytes": _model_bytes,
    "moved_batch": _moved_batch,
    "output_channels": lambda s: _known(s.results[0].shape[1:2]) if s.results else (),
    "pixels": _pixels,
    "rank": lambda s: (float(len(s.shape("x", "data", "input", "values", "query"))),),
    "result_width": lambda s: _known(s.results[0].shape[-1:]) if s.results else (),
    "scale": _scale,
    "stride": _stride,
    "tensor_bytes": _tensor_bytes,
    "width_from": _width_from,
    "width_start": lambda s: s.literal("begin")[-1:],
}
