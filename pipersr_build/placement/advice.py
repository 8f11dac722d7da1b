"""Warnings about a whole package: things that change no verdict and cost speed, memory or accuracy."""

from collections.abc import Callable, Iterator, Sequence

from pipersr_build.mil.graph import Constant, Operation, Shape
from pipersr_build.mil.package import Interface
from pipersr_build.placement.conditions import mismatches
from pipersr_build.placement.quantities import Graph, Subject
from pipersr_build.placement.rules import Advice, Detector, Family, Rules

ROW = 32  # fp16 elements in the 64 bytes that a row of an array is padded to
NAMED = 3  # as many places as a warning names before it counts the rest

Detect = Callable[[Graph, Interface | None, Advice], Iterator[str]]


def warnings(graph: Graph, interface: Interface | None, table: Rules, family: Family) -> list[str]:
    """The advice that applies to a function on a chip, each with the places and its sources.

    Without `interface` the warnings about images and flexible sizes go by the function's own types.
    """
    lines = []
    for row in table.advice:
        if family not in row.chips:
            continue
        places = list(dict.fromkeys(_places(row, graph, interface)))
        if places:
            sources = "; ".join(table.cite(row.sources))
            lines.append(f"{_listed(places)}: {row.text} (source: {sources})")
    return lines


def _places(row: Advice, graph: Graph, interface: Interface | None) -> Iterator[str]:
    if row.detector is not None:
        yield from DETECTORS[row.detector](graph, interface, row)
        return
    for operation in graph.function.walk():
        if row.concerns(operation.type) and not mismatches(row.when, Subject(operation, graph)):
            yield _called(operation)


def _called(operation: Operation) -> str:
    return f"{operation.type} {operation.name!r}"


def _listed(places: Sequence[str]) -> str:
    more = len(places) - NAMED
    return ", ".join(places[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _last_operation(graph: Graph, _: Interface | None, row: Advice) -> Iterator[str]:
    """The operations that compute the function's outputs, if the advice is about their type."""
    for name in graph.function.body.outputs:
        maker = None if isinstance(name, Constant) else graph.makers.get(name)
        if maker is not None and row.concerns(maker.type):
            yield _called(maker)


def _borders(graph: Graph) -> Iterator[tuple[str, Shape]]:
    """The function's inputs and outputs with their shapes."""
    for name, type_ in graph.function.inputs.items():
        yield f"input {name!r}", type_.shape
    for argument in graph.function.body.outputs:
        type_of = graph.type_of(argument)
        if isinstance(argument, str) and type_of is not None:
            yield f"output {argument!r}", type_of.shape


def _row_padding(graph: Graph, _: Interface | None, __: Advice) -> Iterator[str]:
    for label, shape in _borders(graph):
        width = shape[-1] if len(shape) >= 3 else None
        if width is not None and width % ROW:
            yield f"{label}, {width} wide in rows of {-(-width // ROW) * ROW}"


def _flexible_input(graph: Graph, interface: Interface | None, _: Advice) -> Iterator[str]:
    declared = {f.name for f in interface.inputs if f.flexible} if interface is not None else set()
    for name, type_ in graph.function.inputs.items():
        if name in declared or not type_.static:
            yield f"input {name!r}"


def _image_arithmetic(graph: Graph, interface: Interface | None, row: Advice) -> Iterator[str]:
    """fp32 arithmetic that reads an image input, directly or after more such arithmetic."""
    if interface is None:
        return
    values = {feature.name for feature in interface.inputs if feature.kind == "image"}
    for operation in graph.function.operations:
        reads = {a for arguments in operation.inputs.values() for a in arguments if isinstance(a, str)}
        if row.concerns(operation.type) and reads & values and operation.outputs[0].type.dtype == "fp32":
            values.add(operation.name)
            yield _called(operation)


DETECTORS: dict[Detector, Detect] = {
    "last operation": _last_operation,
    "row padding": _row_padding,
    "flexible input": _flexible_input,
    "image arithmetic": _image_arithmetic,
}
