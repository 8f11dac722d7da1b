"""What the passes share: visiting the blocks of a program, and asking about an operation's surroundings."""

from collections.abc import Callable, Sequence
from typing import Any


def rewrite(program: Any, once: Callable[[Any], bool]) -> None:
    """Apply `once` to every block, nested ones first, until it finds nothing more to change."""
    for function in program.functions.values():
        _visit(function, once)


def _visit(block: Any, once: Callable[[Any], bool]) -> None:
    for operation in list(block.operations):
        for nested in operation.blocks:
            _visit(nested, once)
    with block:
        while once(block):
            pass


def only_consumer(operation: Any) -> Any | None:
    """The operation that alone reads this one's single result; None if the block returns it too."""
    if len(operation.outputs) != 1 or operation.outputs[0] in operation.enclosing_block.outputs:
        return None
    readers = operation.outputs[0].child_ops
    return readers[0] if len(readers) == 1 else None


def replace(operation: Any, result: Any, also: Sequence[Any] = ()) -> bool:
    """Put `result` in the place of the operation's result; remove the operation and those in `also`.

    False, and nothing is changed, where coremltools forbids it (as it does for compressed weights).
    """
    block = operation.enclosing_block
    done: bool = block.try_replace_uses_of_var_after_op(
        anchor_op=operation, old_var=operation.outputs[0], new_var=result
    )
    if done:
        block.remove_ops([operation, *also])
    return done
