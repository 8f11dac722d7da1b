"""Graph passes of our own: rewrites that are exact and keep an operation on the Neural Engine.

They run inside coremltools' pass pipeline. Each replaces operations by others that compute the same
function; values differ at most by the rounding of fp16 sums taken in another order.
"""

from typing import Any

NAMESPACE = "pipersr_build"
# After coremltools has merged neighbours and fused convolutions, before it takes tensors of rank 6 apart.
PLACE = "common::expand_high_rank_reshape_and_transpose"


def add_to(pipeline: Any) -> None:
    """Insert the rewrites into a coremltools `PassPipeline`, in place."""
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    from pipersr_build.export.passes.activations import move_activations
    from pipersr_build.export.passes.kernels import split_kernels
    from pipersr_build.export.passes.shuffles import name_shuffles

    for rewrite in (name_shuffles, split_kernels, move_activations):
        PASS_REGISTRY.add(NAMESPACE, rewrite, override=True, name=None)
        pipeline.insert_pass(pipeline.passes.index(PLACE), f"{NAMESPACE}::{rewrite.__name__}")
