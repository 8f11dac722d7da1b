"""How many parameters a package holds, counted on its program and weight file."""

from collections.abc import Iterator

from pipersr_build.mil.graph import Argument, Constant, Function, Operation
from pipersr_build.mil.ops import constexpr

# Running statistics are no parameters: `models.parameters` does not count them either.
_STATISTICS = {("batch_norm", "mean"), ("batch_norm", "variance")}
# Small tensors lie in the program and not in the weight file: there, these names tell what was learnt.
_LEARNT = {"weight", "bias", "gamma", "beta", "alpha"}


def count_parameters(function: Function) -> int:
    """The elements of a function's floating-point weights.

    Compressed weights count as what they are decompressed to; weights that several operations share
    (one record in the weight file) count once; batch norms' running statistics do not count.
    """
    made = _decompressed(function)
    operations = (op for op in function.walk() if op.type not in constexpr.TABLE)
    counts = dict(weight for op in operations for weight in _weights(op, made))
    return sum(counts.values())


def _decompressed(function: Function) -> dict[str, int]:
    """Elements of every value that an operation at load time decompresses, by name."""
    return {
        out.name: out.type.count for op in function.walk() if op.type in constexpr.TABLE for out in op.outputs
    }


def _weights(op: Operation, made: dict[str, int]) -> Iterator[tuple[object, int]]:
    """Each weight that an operation takes: what tells it from others, and its elements."""
    for name, bound in op.inputs.items():
        if (op.type, name) not in _STATISTICS:
            for argument in bound:
                yield from _weight(name, argument, made)


def _weight(name: str, argument: Argument, made: dict[str, int]) -> Iterator[tuple[object, int]]:
    if not isinstance(argument, Constant):
        if argument in made:
            yield argument, made[argument]
        return
    if not argument.type.dtype.startswith("fp") or not argument.type.shape:
        return
    if argument.blob is not None:
        yield (argument.blob.path, argument.offset), argument.type.count
    elif name in _LEARNT:
        yield id(argument), argument.type.count
