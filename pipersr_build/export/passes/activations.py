"""Remove a relu that changes nothing, and let no relu stand at a graph's end behind a pixel shuffle."""

from typing import Any

from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass

from pipersr_build.export.passes import blocks

NEVER_NEGATIVE = {
    "abs", "exp", "exp2", "reduce_l1_norm", "reduce_l2_norm", "reduce_sum_square", "relu", "relu6",
    "sigmoid", "sigmoid_hard", "softmax", "softplus", "sqrt", "square",
}  # fmt: skip


class move_activations(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801, the pipeline's way of naming
    """A relu of what is never negative, or just before a clip at 0 or above, goes.

    A relu between a pixel shuffle and the graph's output moves before the shuffle. At the end Core ML
    estimates it to cost the same on the CPU and may leave it there. All of it is exact.
    """

    def apply(self, prog: Any) -> None:
        """Rewrite every block of the program."""
        blocks.rewrite(prog, _rewrite_one)


def _rewrite_one(block: Any) -> bool:
    relus = [operation for operation in block.operations if operation.op_type == "relu"]
    return any(_remove(relu) or _move(relu) for relu in relus)


def _remove(relu: Any) -> bool:
    reader = blocks.only_consumer(relu)
    clipped = reader is not None and reader.op_type == "clip" and reader.alpha.val >= 0
    return (clipped or _never_negative(relu.x.op)) and blocks.replace(relu, relu.x)


def _never_negative(maker: Any | None) -> bool:
    if maker is None:
        return False
    return maker.op_type in NEVER_NEGATIVE or (maker.op_type == "clip" and maker.alpha.val >= 0)


def _move(relu: Any) -> bool:
    shuffle = relu.x.op
    if shuffle is None or shuffle.op_type != "pixel_shuffle" or not _at_the_end(relu):
        return False
    if shuffle.outputs[0] in shuffle.enclosing_block.outputs or len(shuffle.outputs[0].child_ops) > 1:
        return False
    early = mb.relu(x=shuffle.x, before_op=relu)
    factor = shuffle.upscale_factor.val
    late = mb.pixel_shuffle(x=early, upscale_factor=factor, name=relu.outputs[0].name, before_op=relu)
    return blocks.replace(relu, late, [shuffle])


def _at_the_end(operation: Any) -> bool:
    """Whether the result is an output, or is only cast to the type of one."""
    if operation.outputs[0] in operation.enclosing_block.outputs:
        return True
    reader: Any = blocks.only_consumer(operation)
    return reader is not None and reader.op_type == "cast" and _at_the_end(reader)
