"""Chains of reshapes and transpositions in a function, and the one rearrangement that each amounts to."""

from collections.abc import Iterator, Sequence

from pipersr_build.mil.graph import Operation
from pipersr_build.mil.rearrange import LONGEST, Rearrangement, Step, lowest_terms, named
from pipersr_build.placement.quantities import Subject
from pipersr_build.placement.scene import Scene


def chains(scene: Scene) -> Iterator[tuple[list[Operation], Rearrangement]]:
    """Longest chains of reshape and transpose that are one rearrangement, with what they do."""
    seen: set[str] = set()
    for operation in scene.graph.function.walk():
        chain = [] if operation.name in seen else _chain(scene, operation)
        for length in range(len(chain), 1, -1):
            found = _rearrangement(scene, chain[:length])
            if found is not None and (named(found) or length == len(chain)):
                seen |= {op.name for op in chain[:length]}
                yield chain[:length], found
                break


def _chain(scene: Scene, operation: Operation) -> list[Operation]:
    """The operations from this one on that each are a step and are read by the next alone."""
    chain: list[Operation] = []
    while len(chain) < LONGEST and _step(operation) is not None:
        chain.append(operation)
        readers = scene.readers.get(operation.name, [])
        if len(readers) != 1 or operation.name in scene.results:
            break
        operation = readers[0]
    return chain


def _step(operation: Operation) -> Step | None:
    if operation.type not in ("reshape", "transpose", "squeeze", "expand_dims") or not operation.outputs:
        return None
    shape = operation.outputs[0].type.shape
    if operation.type != "transpose":
        return Step("reshape", tuple(n for n in shape if n)) if all(shape) else None
    perm = operation.constant("perm")
    if perm is None or perm.type.count != len(shape):
        return None
    return Step("transpose", tuple(int(axis) % len(shape) for axis in perm.tolist()))


def _rearrangement(scene: Scene, chain: Sequence[Operation]) -> Rearrangement | None:
    start = Subject(chain[0], scene.graph).shape("x")
    steps = [step for operation in chain if (step := _step(operation)) is not None]
    if not start or not all(start) or all(step.kind == "reshape" for step in steps):
        return None
    return lowest_terms(tuple(n for n in start if n), steps)
