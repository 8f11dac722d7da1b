"""Compress the weights of a converted model, with coremltools.optimize."""

from functools import lru_cache
from typing import Any

import numpy as np

from pipersr_build import quiet
from pipersr_build.export.compression.clusters import cluster
from pipersr_build.export.compression.methods import GROUPED_FROM, Method
from pipersr_build.export.targets import reaches

SMALLEST = 2048  # weights of up to so many elements stay in fp16 where only weights are compressed
GROUP = 4  # output channels that share a table, where the target has tables for groups


def compress_weights(model: Any, method: Method, deployment: str) -> Any:
    """A new coremltools `MLModel` with the weights of `model` compressed; the same function but for that.

    Kernels in int8: one step size per output channel, symmetric. Palettes: the best table of 2^bits values
    for the whole kernel, or from macOS 15 on for every four output channels; there a kernel whose channels
    are no multiple of four stays in fp16. So does a kernel of up to 2048 weights, such as the first one,
    which the picture itself goes through: rounding it costs most and saves least. With 8-bit activations
    every kernel is in int8, whatever its size, because the engine multiplies int8 by int8 only; but those of
    convolutions whose input is not rounded stay in fp16. Biases stay in fp16.
    """
    with quiet.conversion():
        from coremltools.optimize import coreml

        if method.palette:
            return coreml.palettize_weights(model, _palettes(coreml, method.bits, deployment))
        steps = coreml.OpLinearQuantizerConfig(
            mode="linear_symmetric",
            dtype="int8",
            granularity="per_channel",
            weight_threshold=0 if method.activations else SMALLEST,
        )
        kept = dict.fromkeys(_beside_rounding(model)) if method.activations else {}
        config = coreml.OptimizationConfig(global_config=steps, op_name_configs=kept)
        with np.errstate(invalid="ignore", divide="ignore"):  # a channel of zeros; it comes out as zeros
            return coreml.linear_quantize_weights(model, config)


def _beside_rounding(model: Any) -> list[str]:
    """The names of the kernels of convolutions whose input is not rounded."""
    [main] = model.get_spec().mlProgram.functions.values()
    operations = main.block_specializations[main.opset].operations
    rounded = {one.name for op in operations if op.type == "dequantize" for one in op.outputs}
    convolutions = [{name: bound.arguments[0].name for name, bound in op.inputs.items() if bound.arguments}
                    for op in operations if op.type == "conv"]  # fmt: skip
    return [bound["weight"] for bound in convolutions if bound["x"] not in rounded]


def _palettes(coreml: Any, bits: int, deployment: str) -> Any:
    grouped = reaches(deployment, GROUPED_FROM)
    granularity = {"granularity": "per_grouped_channel", "group_size": GROUP} if grouped else {}

    def table(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        entries, indices = palette(weight.tobytes(), weight.dtype.name, bits)
        return entries, indices.reshape(weight.shape)

    palettes = coreml.OpPalettizerConfig(
        mode="custom", lut_function=table, weight_threshold=SMALLEST, **granularity
    )
    return coreml.OptimizationConfig(global_config=palettes)


@lru_cache(maxsize=512)  # packages of several sizes have the same weights
def palette(weight: bytes, dtype: str, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The table of 2^bits values with the least square error for weights, and each weight's index in it.

    In one dimension the best clusters can be found exactly; see `clusters`.

    Args:
        weight: the weights' memory.
        dtype: NumPy's name of their type.
        bits: of an index.
    """
    exact = np.frombuffer(weight, dtype).astype(np.float32)
    values, places, counts = np.unique(exact, return_inverse=True, return_counts=True)
    means, clusters = cluster(values, counts, 2**bits)
    table = np.zeros(2**bits, dtype)
    table[: len(means)] = means
    return table, clusters.astype(np.uint8)[places]
