"""Rewrite reshape-transpose-reshape chains as the operation that they spell out, or with fewer axes."""

from typing import Any

import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.types.symbolic import any_symbolic

from pipersr_build.export.passes import blocks
from pipersr_build.mil.rearrange import LONGEST, Named, Rearrangement, Step, lowest_terms, named

FACTORS = (2, 3, 4, 8)  # the others are unknown to the engine's compiler (ANEForge, docs/cross-chip.md)
LARGEST_RANK = 5  # of what the engine takes: Apple, coreai-models, neural_engine_rules.md
_ARGUMENT = {
    "pixel_shuffle": "upscale_factor",
    "pixel_unshuffle": "downscale_factor",
    "depth_to_space": "block_size",
    "space_to_depth": "block_size",
}


class name_shuffles(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801, the pipeline's way of naming
    """Chains that are a pixel shuffle become one; others of rank 6 and more are written with fewer axes.

    Both are exact: the same values in the same places. Chains of rank up to 5 that have no name stay.
    """

    def apply(self, prog: Any) -> None:
        """Rewrite every block of the program."""
        blocks.rewrite(prog, _rewrite_one)


def _rewrite_one(block: Any) -> bool:
    for operation in list(block.operations):
        chain = _chain(operation)
        for length in range(len(chain), 1, -1):
            if _shorten(chain[:length]):
                return True
    return False


def _chain(operation: Any) -> list[Any]:
    """The reshapes and transpositions from `operation` on that nothing else reads from."""
    chain: list[Any] = []
    while operation is not None and len(chain) < LONGEST and _step(operation) is not None:
        chain.append(operation)
        operation = blocks.only_consumer(operation)
    return chain


def _step(operation: Any) -> Step | None:
    """The operation as a step of a rearrangement with known extents; None if it is none."""
    if operation.op_type not in ("reshape", "transpose"):
        return None
    before, after = operation.x.shape, operation.outputs[0].shape
    if any_symbolic(before) or any_symbolic(after) or 0 in before:
        return None
    if operation.op_type == "reshape":
        return Step("reshape", tuple(map(int, after)))
    return Step("transpose", tuple(int(axis) % len(before) for axis in operation.perm.val))


def _shorten(chain: list[Any]) -> bool:
    found = lowest_terms(tuple(map(int, chain[0].x.shape)), [s for o in chain if (s := _step(o)) is not None])
    if found is None:
        return False
    answer = named(found)
    if answer is not None and answer.factor in FACTORS:
        return blocks.replace(chain[-1], _shuffle(answer, chain), chain[:-1])
    ranks = [len(operation.outputs[0].shape) for operation in chain]
    if max(ranks) <= LARGEST_RANK or max(len(found.extents), ranks[-1]) > LARGEST_RANK:
        return False
    return blocks.replace(chain[-1], _spelled(found, chain), chain[:-1])


def _shuffle(answer: Named, chain: list[Any]) -> Any:
    last = chain[-1]
    kind = np.uint32 if answer.kind == "pixel_unshuffle" else np.int32
    options = {_ARGUMENT[answer.kind]: kind(answer.factor)}
    return getattr(mb, answer.kind)(x=chain[0].x, name=last.outputs[0].name, before_op=last, **options)


def _spelled(found: Rearrangement, chain: list[Any]) -> Any:
    """One reshape, one transposition and one reshape."""
    last = chain[-1]
    divided = mb.reshape(x=chain[0].x, shape=found.extents or (1,), before_op=last)
    moved = mb.transpose(x=divided, perm=found.perm or (0,), before_op=last)
    return mb.reshape(x=moved, shape=found.target, name=last.outputs[0].name, before_op=last)
