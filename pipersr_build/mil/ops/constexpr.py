"""Weight decompression: the `constexpr_*` operations, evaluated once when a program is prepared.

Arguments are numpy arrays and named as in MIL. Two generations share a name where the arguments tell
them apart: with `shape` (iOS 16) the indices or mask are packed bytes, without (iOS 18) they have the
shape of the result. Arithmetic is in float32, and the caller rounds the result to its declared type.
"""

import math
from collections.abc import Callable

import numpy as np

from pipersr_build.mil.dtypes import unpack
from pipersr_build.mil.ops.arguments import axis_of


def affine_dequantize(
    quantized_data: np.ndarray, zero_point: np.ndarray, scale: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    """`scale` · (quantized_data - zero_point); vectors run along `axis`."""
    at = axis_of(axis.item(), quantized_data.ndim)

    shape = [-1 if i == at else 1 for i in range(quantized_data.ndim)]
    offset, factor = (p.astype(np.float32).reshape(shape if p.ndim else ()) for p in (zero_point, scale))
    weights: np.ndarray = (quantized_data.astype(np.float32) - offset) * factor
    return weights


def cast(source_val: np.ndarray, output_dtype: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """`source_val` itself: the caller converts it to the declared type."""
    return source_val


def lut_to_dense(
    indices: np.ndarray,
    lut: np.ndarray,
    shape: np.ndarray | None = None,
    vector_axis: np.ndarray | None = None,
) -> np.ndarray:
    """The entry of the look-up table for each index.

    Without `shape`, lut has two axes more than the indices, (blocks..., entries, vector): each block of
    indices has its own table, and an entry of more than one element spreads along `vector_axis`.
    """
    if shape is not None:
        bits = max(1, (lut.size - 1).bit_length())
        flat: np.ndarray = lut[unpack(indices, bits, math.prod(shape.tolist()))]
        return flat.reshape(shape.tolist())
    tables = _repeated(lut, indices.shape)
    entries = np.take_along_axis(tables, indices.astype(np.intp)[..., None, None], axis=-2)[..., 0, :]
    if vector_axis is None:
        return entries[..., 0]
    at = axis_of(vector_axis.item(), indices.ndim)
    spread = [n * lut.shape[-1] if i == at else n for i, n in enumerate(indices.shape)]
    return np.moveaxis(entries, -1, at + 1).reshape(spread)


def sparse_to_dense(
    nonzero_data: np.ndarray, mask: np.ndarray, shape: np.ndarray | None = None
) -> np.ndarray:
    """`nonzero_data` in order at the places set in the mask, zero elsewhere."""
    if shape is not None:
        mask = unpack(mask, 1, math.prod(shape.tolist())).reshape(shape.tolist())
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def blockwise_shift_scale(
    data: np.ndarray, scale: np.ndarray, offset: np.ndarray | None = None
) -> np.ndarray:
    """`scale` · (data - offset); scale and offset hold one number per block of data."""
    shifted = data.astype(np.float32)
    if offset is not None:
        shifted = shifted - _repeated(offset, data.shape).astype(np.float32)
    return shifted * _repeated(scale, data.shape).astype(np.float32)


def lut_to_sparse(
    indices_mask: np.ndarray,
    indices_nonzero_data: np.ndarray,
    lut: np.ndarray,
    vector_axis: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The mask, spread along `vector_axis`, and the table's entries for the non-zero elements."""
    dense = lut_to_dense(sparse_to_dense(indices_nonzero_data, indices_mask), lut, vector_axis=vector_axis)
    if vector_axis is not None:
        indices_mask = np.repeat(indices_mask, lut.shape[-1], axis=vector_axis.item())
    return indices_mask, dense[indices_mask != 0]


def sparse_blockwise_shift_scale(
    data_mask: np.ndarray, nonzero_data: np.ndarray, scale: np.ndarray, offset: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The mask, and scale · (data - offset) of the non-zero elements."""
    dense = blockwise_shift_scale(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]


def _repeated(parameter: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`parameter` with its first axes repeated block by block to broadcast to `shape`."""
    for axis, (extent, blocks) in enumerate(zip(shape, parameter.shape, strict=False)):
        if blocks not in (1, extent):
            if extent % blocks:
                raise ValueError(f"{blocks} blocks do not divide {extent} elements of axis {axis}")
            parameter = np.repeat(parameter, extent // blocks, axis)
    return parameter


TABLE: dict[str, Callable[..., np.ndarray | tuple[np.ndarray, ...]]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_lut_to_sparse": lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
