"""How coremltools converts rounded activations: as a `quantize` and a `dequantize` operation.

Its own training-time quantiser was tried (coremltools 9.0 with torch 2.13). It works, but it has one scheme
for weights and activations alike: symmetric activations leave half of the 256 steps unused after a ReLU, and
with the other scheme the weights have zero points too. It traces the network into a graph of its own, whose
weights files and checkpoints are no longer the network's, and it builds on torch calls that warn of their
removal (torch.quantize_per_tensor). So networks are quantised here with
`torch.fake_quantize_per_tensor_affine`, for which coremltools has no conversion. A range that begins at 0
becomes uint8 without a zero point: that is a pass of coremltools.
"""

from typing import Any

import numpy as np

from pipersr_build import quiet
from pipersr_build.models.quantized import HIGH, LOW

_OPERATION = "fake_quantize_per_tensor_affine"


def register() -> None:
    """Tell coremltools' converter about rounded activations; again does no harm."""
    quiet.coremltools()
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    register_torch_op(_rounded, torch_alias=[_OPERATION], override=True)


def _rounded(context: Any, node: Any) -> None:
    """x, step, zero, lowest, highest -> dequantize(quantize(x))."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    x, *given = (context[name] for name in node.inputs)
    step, zero, low, high = (one.val for one in given)
    if (low, high) != (LOW, HIGH):
        raise NotImplementedError(f"activations in {low} to {high}; 8 bits with a sign are {LOW} to {HIGH}")
    shift = {"zero_point": np.int8(zero)} if zero else {}
    steps = mb.quantize(input=x, scale=np.float32(step), output_dtype="int8", **shift)
    context.add(mb.dequantize(input=steps, scale=np.float32(step), **shift, name=node.name))
