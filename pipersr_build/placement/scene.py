"""What detectors of advice look at: a function, its surroundings, and its predicted placement."""

from dataclasses import dataclass
from functools import cached_property

from pipersr_build.evidence import Placement
from pipersr_build.mil.graph import Operation
from pipersr_build.mil.package import Interface
from pipersr_build.placement.profile import Costs
from pipersr_build.placement.quantities import Graph


@dataclass(frozen=True)
class Scene:
    """What detectors look at: a function, what it takes and returns, and its predicted placement if known."""

    graph: Graph
    interface: Interface | None = None
    placement: Placement | None = None
    costs: Costs | None = None

    @cached_property
    def readers(self) -> dict[str, list[Operation]]:
        """The operations that read a value, by its name."""
        found: dict[str, list[Operation]] = {}
        for operation in self.graph.function.walk():
            for name in {a for some in operation.inputs.values() for a in some if isinstance(a, str)}:
                found.setdefault(name, []).append(operation)
        return found

    @cached_property
    def results(self) -> set[str]:
        """Names of the values that the function returns."""
        return {a for a in self.graph.function.body.outputs if isinstance(a, str)}
