"""From a function of a package and its placement to the segments that a latency is estimated of."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from pipersr_build.evidence import Device, Latency, OperationPlacement, Placement
from pipersr_build.mil.graph import Constant, Function
from pipersr_build.placement import chips, latency
from pipersr_build.placement.latency import CONVOLUTIONS, ON_CHIP, Band, Cost, Segment
from pipersr_build.placement.quantities import COMPILE_TIME, Graph, Subject
from pipersr_build.placement.work import size, work


def segments(function: Function, placement: Placement) -> list[Segment]:
    """Cut a function into runs of operations on one device, as its placement says.

    An operation whose device is not known stays with the one before it, and at the start on the engine.

    Args:
        function: of a package.
        placement: of the same function, an entry for every operation in program order.

    Raises:
        ValueError: the placement is of another function.
    """
    graph = Graph(function)
    users = _users(graph)
    placed = list(zip(function.walk(), placement.operations, strict=True))
    run_time = [(op, where) for op, where in placed if not op.type.startswith(COMPILE_TIME)]
    devices = _devices([where for _, where in run_time])
    subjects = [(Subject(op, graph), where) for op, where in run_time]
    runs = groupby(zip(subjects, devices, strict=True), key=lambda pair: pair[1])
    return [_segment(device, [subject for subject, _ in run], users) for device, run in runs]


def verify_band(function: Function, placement: Placement, chip: str) -> Band | None:
    """The latency band to show beside a predicted placement, where there is an honest one.

    Operations that are not on the engine count with what Core ML itself is expected to estimate for them,
    which is no latency: where there are such operations, say so beside the band.

    Args:
        function: of a package.
        placement: of the same function.
        chip: a chip's name or a family, which stands for its Mac.

    Returns:
        None for a measured placement, for sizes that are not fixed, where an operation's device is not
        known or none is the engine, or where the chip's rates or Core ML's estimate for another device are
        not known.

    Raises:
        InputError: no such chip.
        ValueError: the placement is of another function.
    """
    found = chips.load().one(chip)
    run_time = [op for op in placement.operations if not op.operator.startswith(COMPILE_TIME)]
    devices = {op.preferred for op in run_time}
    fixed = all(type_.static for type_ in function.inputs.values())
    if placement.source != "predicted" or not fixed or None in devices or "ane" not in devices:
        return None
    band = latency.band(segments(function, placement), found)
    return band if band.known else None


def with_latency(function: Function, placement: Placement, chip: str) -> Placement:
    """The placement with its latency band, where `verify_band` has one."""
    return placement.model_copy(update={"latency": latency_of(function, placement, chip)})


def latency_of(function: Function, placement: Placement, chip: str) -> Latency | None:
    """The record of a predicted placement's latency band, where `verify_band` has one."""
    found = verify_band(function, placement, chip)
    if found is None:
        return None
    return Latency(
        chip=found.chip,
        low=found.low,
        expected=found.expected,
        high=found.high,
        whole=all(op.preferred == "ane" for op in placement.operations),
        bound=found.bound or "",
        inferred=[rate.quantity for rate in chips.load().one(chip).inferred],
    )


def _devices(placed: Sequence[OperationPlacement]) -> list[Device]:
    devices: list[Device] = []
    for where in placed:
        devices.append(where.preferred or (devices[-1] if devices else "ane"))
    return devices


def _segment(
    device: Device, run: list[tuple[Subject, OperationPlacement]], users: dict[str, set[int]]
) -> Segment:
    graph = run[0][0].graph
    own = {id(subject.operation) for subject, _ in run}
    made = {out.name for subject, _ in run for out in subject.operation.outputs}
    read = {name for subject, _ in run for name in _read(subject)} - made
    results = {a for a in graph.function.body.outputs if not isinstance(a, Constant)}
    left = {name for name in made if name in results or users.get(name, set()) - own}
    boundary = size(graph.types[name] for name in read | left if name in graph.types)
    costs = tuple(cost(subject, where, len(users.get(_main(subject), ()))) for subject, where in run)
    return Segment(device, costs, boundary)


def cost(subject: Subject, placed: OperationPlacement | None = None, users: int = 1) -> Cost:
    """The cost of one operation; `users` is how many operations read its main input."""
    operation, its = subject.operation, work(subject)
    taken, made, kernel = _channels(subject)
    plain = all(n == 1 for name in ("strides", "dilations", "groups") for n in subject.literal(name))
    fence = operation.type.startswith("reduce_") and users > 1 and its.read > ON_CHIP
    source = subject.graph.makers.get(_main(subject))
    estimates = placed.estimates if placed is not None else None
    cpu = estimates.cpu_ms if estimates is not None else None
    return Cost(
        kind=operation.type,
        flop=its.flop,
        moved=its.read + its.written,
        constant=its.constant,
        width=math.sqrt(taken * made),
        pixels=_pixels(subject),
        dense3=operation.type == "conv" and kernel == (3, 3) and plain,
        refetched=2 * its.read if fence else 0.0,
        int8=operation.type in CONVOLUTIONS and source is not None and source.type == "dequantize",
        elsewhere=math.nan if cpu is None else cpu,
    )


def _channels(subject: Subject) -> tuple[float, float, tuple[int, ...]]:
    """Channels that a group of a convolution takes and makes, and its kernel; ones for other operations."""
    weight = [n or 1 for n in subject.shape("weight")]
    if subject.operation.type not in CONVOLUTIONS or len(weight) < 2:
        return 1.0, 1.0, ()
    groups = next(iter(subject.literal("groups")), 1.0)
    first, second, *kernel = weight
    if subject.operation.type == "conv_transpose":  # input channels come first in its weight
        return first / groups, second, tuple(kernel)
    return second, first / groups, tuple(kernel)


def _pixels(subject: Subject) -> float:
    """Positions of the first result, of one picture: H x W of a map, all but the last axis of a matrix."""
    if not subject.results:
        return 0.0
    shape = [n or 1 for n in subject.results[0].shape]
    return float(math.prod(shape[:-1] if subject.operation.type == "linear" else shape[2:]))


def _users(graph: Graph) -> dict[str, set[int]]:
    """Which operations read a value, by its name."""
    users: dict[str, set[int]] = {}
    for operation in graph.function.walk():
        for bound in operation.inputs.values():
            for argument in bound:
                if isinstance(argument, str):
                    users.setdefault(argument, set()).add(id(operation))
    return users


def _read(subject: Subject) -> Iterator[str]:
    """Names of the run-time values that an operation reads."""
    for bound in subject.operation.inputs.values():
        for argument in bound:
            if isinstance(argument, str) and not subject.graph.compile_time(argument):
                yield argument


def _main(subject: Subject) -> str:
    """The first value that an operation reads; empty if it reads none."""
    return next(_read(subject), "")
