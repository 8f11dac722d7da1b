"""What a report draws of a package beside its placement: graph, traffic, latency on every chip, roofs."""

from pipersr_build.evidence import Latency, Placement
from pipersr_build.evidence.figures import Node, Roof, Traffic
from pipersr_build.mil.graph import Function
from pipersr_build.mil.package import Package
from pipersr_build.placement import chips
from pipersr_build.placement.package_cost import latency_of, segments
from pipersr_build.placement.predict import predict
from pipersr_build.placement.quantities import COMPILE_TIME, Graph


def graph(function: Function) -> list[Node]:
    """The operations that run, in program order, each with the names of the operations that it reads.

    A value that is not an operation's first result goes by that operation's name; inputs keep theirs.
    Nested blocks follow the operation that holds them.
    """
    whole = Graph(function)
    nodes = []
    for op in function.walk():
        if op.type.startswith(COMPILE_TIME):
            continue
        bound = [a for some in op.inputs.values() for a in some if isinstance(a, str)]
        read = [whole.makers[a].name if a in whole.makers else a for a in bound if not whole.compile_time(a)]
        shape = list(op.outputs[0].type.extents) if op.outputs else []
        nodes.append(Node(name=op.name, operator=op.type, reads=list(dict.fromkeys(read)), shape=shape))
    return nodes


def traffic(function: Function, placement: Placement) -> Traffic:
    """What a call computes and moves, in FLOP and bytes, with the segments that the placement makes."""
    parts = segments(function, placement)
    costs = [cost for part in parts for cost in part.costs]
    return Traffic(
        flop=sum(cost.flop for cost in costs),
        weights=sum(cost.constant for cost in costs),
        edges=sum(part.boundary for part in parts) + sum(cost.refetched for cost in costs),
        streamed=sum(cost.moved for cost in costs),
    )


def latencies(package: Package) -> list[Latency]:
    """The default function's predicted latency on every chip for which there is an honest one."""
    known = [chip for chip in chips.load().table.values() if chip.known]
    families = dict.fromkeys(chip.family for chip in known)
    placed = {family: predict(package, chip=family, function=package.default)[0] for family in families}
    found = (latency_of(package.main, placed[chip.family], chip.name) for chip in known)
    return [band for band in found if band is not None]


def roofs() -> list[Roof]:
    """What the engine of each chip with known rates sustains."""
    return [
        Roof(
            chip=chip.name,
            tflops=chip.on("conv", "expected"),
            bandwidth=chip.on("activations", "expected"),
            evidence=", ".join(
                f"{name} {chip.rates[key].evidence}"
                for name, key in (("convolutions", "conv"), ("memory", "activations"))
                if key in chip.rates
            ),
        )
        for chip in chips.load().table.values()
        if chip.known and "activations" in chip.rates
    ]
