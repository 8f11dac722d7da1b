"""Places in a whole graph that advice is about: patterns of several operations, borders, and sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Argument, Constant, Operation, Shape
from pipersr_build.mil.rearrange import named
from pipersr_build.placement import break_even
from pipersr_build.placement.chains import chains
from pipersr_build.placement.quantities import Graph, Subject
from pipersr_build.placement.rules import Advice, Detector
from pipersr_build.placement.scene import Scene

SHUFFLES = ("pixel_shuffle", "depth_to_space")
OLDEST_OPSET = "CoreML5"
ROW = 32  # fp16 elements in the 64 bytes that a row of an array is padded to
LARGEST_RANK = 5
LARGE_SIDE = 1024
NOTABLE_GFLOP = 1e-3
CHANNELS = (17, 95)  # what is narrower is a picture, or about to be one; wider convolutions were at the peak
MOST_NEGATIVE = -65504.0  # of fp16; an addend like this is a mask
LARGEST_MASK = 2**24  # elements that are read from the file to look for one


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found: a label, the operation if it is one, and words for the advice."""

    label: str
    operation: Operation | None = None
    words: dict[str, str] = field(default_factory=dict)


Detect = Callable[[Scene, Advice], Iterator[Place]]


def called(operation: Operation) -> str:
    """An operation as a sentence names it."""
    return f"{operation.type} {operation.name!r}"


def _at(operation: Operation, **words: str) -> Place:
    return Place(called(operation), operation, words)


# ------------------------------------------------------------------------------------------------ borders


def _last_operation(scene: Scene, row: Advice) -> Iterator[Place]:
    """The operations that compute the function's outputs, if the advice is about their type."""
    for name in scene.graph.function.body.outputs:
        maker = None if isinstance(name, Constant) else scene.graph.makers.get(name)
        if maker is not None and row.concerns(maker.type):
            yield _at(maker)


def _borders(graph: Graph) -> Iterator[tuple[str, Shape]]:
    """The function's inputs and outputs with their shapes."""
    for name, type_ in graph.function.inputs.items():
        yield f"input {name!r}", type_.shape
    for argument in graph.function.body.outputs:
        type_of = graph.type_of(argument)
        if isinstance(argument, str) and type_of is not None:
            yield f"output {argument!r}", type_of.shape


def _row_padding(scene: Scene, _: Advice) -> Iterator[Place]:
    for label, shape in _borders(scene.graph):
        width = shape[-1] if len(shape) >= 3 else None
        if width is not None and width % ROW:
            yield Place(f"{label}, {_padded(width)}")


def _padded(width: int) -> str:
    """The row that a width takes, the share of it that is wasted, and the widths that waste none."""
    above = -(-width // ROW) * ROW
    fill = f"{above} fills" if above == ROW else f"{above - ROW} and {above} fill"
    wasted = f"{(above - width) / above:.1%} of each unused"
    return f"{width} wide in rows of {above} ({wasted}; {fill} them)"


def _flexible_input(scene: Scene, _: Advice) -> Iterator[Place]:
    interface = scene.interface
    declared = {f.name for f in interface.inputs if f.flexible} if interface is not None else set()
    for name, type_ in scene.graph.function.inputs.items():
        if name in declared or not type_.static:
            yield Place(f"input {name!r}, {type_}")


def _image_arithmetic(scene: Scene, row: Advice) -> Iterator[Place]:
    """fp32 arithmetic that reads an image input, directly or after more such arithmetic."""
    if scene.interface is None:
        return
    values = {feature.name for feature in scene.interface.inputs if feature.kind == "image"}
    for operation in scene.graph.function.operations:
        reads = {a for arguments in operation.inputs.values() for a in arguments if isinstance(a, str)}
        if row.concerns(operation.type) and reads & values and operation.outputs[0].type.dtype == "fp32":
            values.add(operation.name)
            yield _at(operation)


def _large_frame(scene: Scene, _: Advice) -> Iterator[Place]:
    """Inputs with more pixels than a square of 1024, and how to divide them evenly."""
    for name, type_ in scene.graph.function.inputs.items():
        height, width = (0, 0) if len(type_.shape) < 3 else (n or 0 for n in type_.shape[-2:])
        if height * width > LARGE_SIDE**2:
            rows, columns = (-(-n // LARGE_SIDE) for n in (height, width))
            tile = f"{-(-width // columns)}×{-(-height // rows)}"
            words = {
                "tiles": f"{columns}×{rows} tiles of {tile}",
                "pixels": f"{height * width / 1e6:.2f} million pixels",
            }
            yield Place(f"input {name!r}, {width}×{height}", None, words)


# ----------------------------------------------------------------------------------------------- patterns


def _shuffle(scene: Scene, _: Advice) -> Iterator[Place]:
    """Chains of reshape and transpose that spell out one operation; every operation of a chain."""
    for chain, found in chains(scene):
        answer = named(found)
        if answer is not None:
            text = f"{answer.kind} by {answer.factor}"
            yield from (_at(operation, answer=text, axes=_ends(chain)) for operation in chain)


def _many_axes(scene: Scene, _: Advice) -> Iterator[Place]:
    """Chains without such a name that have a tensor of rank 6 and do not need it."""
    for chain, found in chains(scene):
        rank = max(len(operation.outputs[0].type.shape) for operation in chain)
        if rank > LARGEST_RANK >= len(found.extents) and named(found) is None:
            extents = ", ".join(map(str, found.extents))
            perm = ", ".join(map(str, found.perm))
            text = f"reshape to ({extents}), transpose by ({perm}), reshape to the end's shape"
            yield from (_at(operation, answer=text, axes=_ends(chain)) for operation in chain)


def _ends(chain: Sequence[Operation]) -> str:
    return f"{len(chain)} operations from {chain[0].name!r} to {chain[-1].name!r}"


def _odd_channels(scene: Scene, row: Advice) -> Iterator[Place]:
    """Convolutions whose channels leave units idle; before a shuffle their number is not free."""
    for operation in scene.graph.function.walk():
        if not row.concerns(operation.type) or operation.name in scene.results:
            continue
        channels = (Subject(operation, scene.graph).number("output_channels") or (0.0,))[0]
        shuffled = any(reader.type in SHUFFLES for reader in scene.readers.get(operation.name, []))
        if CHANNELS[0] <= channels <= CHANNELS[1] and channels % ROW and not shuffled:
            yield _at(operation)


def _old_target(scene: Scene, _: Advice) -> Iterator[Place]:
    """A function in the operation set of iOS 15."""
    if scene.graph.function.opset == OLDEST_OPSET:
        yield Place(f"function {scene.graph.function.name!r}, operation set {OLDEST_OPSET} (iOS 15)")


def _global_pooling(scene: Scene, row: Advice) -> Iterator[Place]:
    """Reductions and poolings of whole planes to a number each."""
    for operation in scene.graph.function.walk():
        if not row.concerns(operation.type):
            continue
        subject = Subject(operation, scene.graph)
        before = subject.shape("x")
        after = operation.outputs[0].type.shape
        if len(before) == 4 and None not in before and before[-2] != 1 and _reduces_planes(subject, after):
            yield _at(operation)


def _reduces_planes(subject: Subject, after: Shape) -> bool:
    before, axes = subject.shape("x"), subject.literal("axes")
    if axes:
        return {int(axis) % len(before) for axis in axes} == {2, 3}
    return len(after) == 4 and after[-2:] == (1, 1)


def _root_mean_square(scene: Scene, row: Advice) -> Iterator[Place]:
    """Roots of means of squares: normalisations by the root mean square, written out."""
    for operation in scene.graph.function.walk():
        if row.concerns(operation.type) and _mean_of_squares(scene.graph, operation):
            yield _at(operation)


def _mean_of_squares(graph: Graph, root: Operation) -> bool:
    """Whether a root is taken of a mean of squares, with an addend or without; a deviation is none."""
    mean = _maker(graph, root.argument("x"))
    if mean is not None and mean.type == "add":
        mean = _maker(graph, mean.argument("x")) or _maker(graph, mean.argument("y"))
    squares = None if mean is None or mean.type != "reduce_mean" else _maker(graph, mean.argument("x"))
    if squares is None or not _squares(squares):
        return False
    base = _maker(graph, squares.argument("x"))
    return base is None or base.type != "sub"


def _squares(operation: Operation) -> bool:
    """Whether an operation squares its input, in one of the ways that converters write it."""
    x, y = operation.argument("x"), operation.argument("y")
    if operation.type == "pow":
        return isinstance(y, Constant) and y.type.count == 1 and float(y.numpy().item()) == 2
    return operation.type == "square" or (operation.type == "mul" and x == y)


def _maker(graph: Graph, argument: Argument | None) -> Operation | None:
    return graph.makers.get(argument) if isinstance(argument, str) else None


def _infinite_mask(scene: Scene, row: Advice) -> Iterator[Place]:
    """Constants as negative as fp16 goes that reach a softmax or attention: masks by minus infinity."""
    for operation in scene.graph.function.walk():
        if operation.type == "scaled_dot_product_attention":
            arguments = operation.inputs.get("attn_mask", ())
        elif operation.type == "softmax":
            source = operation.argument("x")
            maker = scene.graph.makers.get(source) if isinstance(source, str) else None
            masks = maker is not None and maker.type in ("add", "select", "minimum", "sub")
            arguments = tuple(a for some in maker.inputs.values() for a in some) if masks and maker else ()
        else:
            continue
        if row.concerns(operation.type) and any(map(_very_negative, arguments)):
            yield _at(operation)


def _very_negative(argument: object) -> bool:
    if not isinstance(argument, Constant) or argument.type.dtype not in ("fp16", "fp32"):
        return False
    if not 0 < argument.type.count <= LARGEST_MASK:
        return False
    try:
        return bool(np.min(argument.numpy()) <= MOST_NEGATIVE)
    except (InputError, ValueError):  # an unreadable weight is another check's business
        return False


# -------------------------------------------------------------------------------------------------- sizes


def _too_small(scene: Scene, _: Advice) -> Iterator[Place]:
    """The operations of a function that is wholly left off the engine for want of work."""
    found = None if scene.placement is None else break_even.growth(scene.placement)
    if scene.placement is None or found is None:
        return
    needed = f", {found.gflop:.3g} GFLOP in all" if found.gflop >= NOTABLE_GFLOP else ""
    words = {"times": f"{found.times:.3g}", "needed": needed, "size": _size(scene, found)}
    soft = {op.output_name for op in scene.placement.operations if op.verdict == "soft"}
    yield from (_at(op, **words) for op in scene.graph.function.walk() if op.name in soft)


def _size(scene: Scene, found: break_even.Growth) -> str:
    """The smallest size of the function's first picture that would do, in multiples of 32 pixels."""
    for type_ in scene.graph.function.inputs.values():
        height, width = (0, 0) if len(type_.shape) < 3 else (n or 0 for n in type_.shape[-2:])
        if height > 1 and width > 1:
            wide, high = found.size(width, height)
            return f"an input of about {wide}×{high} instead of {width}×{height}"
    return "inputs that much larger"


def _short_segment(scene: Scene, _: Advice) -> Iterator[Place]:
    """Operations left off the engine for want of work around them, or cut off by others."""
    alone = scene.placement is not None and break_even.growth(scene.placement) is not None
    for stretch, operations in _stretches(scene):
        if stretch.saved <= 0 or (alone and not stretch.barriers):
            continue
        words = {
            "saved": f"{stretch.saved:.3g}",
            "needed": f"{stretch.needed:.3g}",
            "axes": _counted(stretch),
            "neighbours": _barriers(stretch),
        }
        yield from (_at(operation, **words) for operation in operations)


def _stretches(scene: Scene) -> Iterator[tuple[break_even.Stretch, list[Operation]]]:
    """Stretches of operations that could run on the engine and are expected elsewhere."""
    if scene.placement is None or scene.costs is None or scene.placement.totals is None:
        return
    by_name = {operation.name: operation for operation in scene.graph.function.walk()}
    for stretch in break_even.stretches(scene.placement, scene.costs, sorted(scene.results)):
        yield stretch, [by_name[op.output_name] for op in stretch.operations]


def _counted(stretch: break_even.Stretch) -> str:
    count = len(stretch.operations)
    return "this operation" if count == 1 else f"these {count} operations in a row"


def _barriers(stretch: break_even.Stretch) -> str:
    if not stretch.barriers:
        return "give them more work, or move them next to operations that run there"
    names = " and ".join(f"{op.operator} {op.output_name!r}" for op in stretch.barriers)
    return f"change {names} first, which cut them off"


def _run_alone(scene: Scene, _: Advice) -> Iterator[Place]:
    """Operations left off the engine that the engine is estimated to do no faster, at any size."""
    for stretch, operations in _stretches(scene):
        if stretch.saved <= 0:
            words = {"answer": _no_gain(stretch), "axes": _counted(stretch)}
            yield from (_at(operation, **words) for operation in operations)


def _no_gain(stretch: break_even.Stretch) -> str:
    lost = f"{abs(stretch.saved):.3g}"
    return "the estimates are equal" if float(lost) == 0 else f"the estimate is {lost} ms above the CPU's"


DETECTORS: dict[Detector, Detect] = {
    "last operation": _last_operation,
    "row padding": _row_padding,
    "flexible input": _flexible_input,
    "image arithmetic": _image_arithmetic,
    "large frame": _large_frame,
    "shuffle": _shuffle,
    "many axes": _many_axes,
    "global pooling": _global_pooling,
    "root mean square": _root_mean_square,
    "infinite mask": _infinite_mask,
    "too small": _too_small,
    "short segment": _short_segment,
    "run alone": _run_alone,
    "odd channels": _odd_channels,
    "old target": _old_target,
}
