"""Operations that read or write at computed positions."""

from collections.abc import Callable

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import axis_of, one_of


def gather(
    x: Tensor,
    indices: Tensor,
    axis: int = 0,
    batch_dims: int = 0,
    validate_indices: bool = False,  # noqa: ARG001 - always validated
) -> Tensor:
    """x[..., indices, ...] at `axis`; the first `batch_dims` axes of both run in step.

    Result shape: x.shape[:axis] + indices.shape[batch_dims:] + x.shape[axis + 1:].
    """
    at = axis_of(axis, x.dim())
    positions = _from_start(indices, x.shape[at])
    if batch_dims == 0:
        shape = x.shape[:at] + positions.shape + x.shape[at + 1 :]
        return x.index_select(at, positions.reshape(-1)).reshape(shape)
    batch = x.shape[:batch_dims]
    rows = zip(x.flatten(0, batch_dims - 1), positions.flatten(0, batch_dims - 1), strict=True)
    parts = [gather(row, position, at - batch_dims) for row, position in rows]
    return torch.stack(parts).reshape(batch + parts[0].shape)


def gather_along_axis(
    x: Tensor,
    indices: Tensor,
    axis: int = 0,
    validate_indices: bool = False,  # noqa: ARG001
) -> Tensor:
    """For each element of `indices`, the element of x there along `axis`; result shaped as `indices`."""
    return x.gather(axis, _from_start(indices, x.shape[axis]))


def gather_nd(
    x: Tensor,
    indices: Tensor,
    batch_dims: int = 0,
    validate_indices: bool = False,  # noqa: ARG001
) -> Tensor:
    """x[indices[..., 0], indices[..., 1], ...]; the first `batch_dims` axes of both run in step.

    Result shape: indices.shape[:-1] + x.shape[batch_dims + indices.shape[-1]:].
    """
    if batch_dims:
        batch = x.shape[:batch_dims]
        rows = zip(x.flatten(0, batch_dims - 1), indices.flatten(0, batch_dims - 1), strict=True)
        parts = [gather_nd(row, index) for row, index in rows]
        return torch.stack(parts).reshape(batch + parts[0].shape)
    return x[tuple(_from_start(index, x.shape[i]) for i, index in enumerate(indices.unbind(-1)))]


def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """`data` with slice i of `updates` written (by `mode`) to slice indices[i] along `axis`."""
    at = axis_of(axis, data.dim())
    shape = [-1 if i == at else 1 for i in range(data.dim())]
    everywhere = indices.reshape(shape).expand(updates.shape)
    return scatter_along_axis(data, everywhere, updates, axis, mode, validate_indices)


def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,  # noqa: ARG001
) -> Tensor:
    """`data` with each element of `updates` written (by `mode`) to its place in `indices` along `axis`."""
    positions = _from_start(indices, data.shape[axis])
    return one_of("mode", mode, _WRITE)(data, axis, positions, updates)


def scatter_nd(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    mode: str = "add",
    validate_indices: bool = False,  # noqa: ARG001
) -> Tensor:
    """`data` with updates[i] written (by `mode`) to data[indices[i, 0], indices[i, 1], ...]."""
    depth = indices.shape[-1]
    place = torch.zeros(indices.shape[:-1], dtype=torch.long)
    for i, index in enumerate(indices.unbind(-1)):
        place = place * data.shape[i] + _from_start(index, data.shape[i])
    rows = data.reshape(data.shape[:depth].numel(), -1)
    places = place.reshape(-1, 1).expand(-1, rows.shape[1])
    written = one_of("mode", mode, _WRITE)(rows, 0, places, updates.reshape(places.shape))
    return written.reshape(data.shape)


def _divide(data: Tensor, axis: int, positions: Tensor, updates: Tensor) -> Tensor:
    return data / torch.ones_like(data).scatter_reduce(axis, positions, updates, "prod")


_WRITE: dict[str, Callable[[Tensor, int, Tensor, Tensor], Tensor]] = {
    "update": lambda data, axis, at, new: data.scatter(axis, at, new),
    "add": lambda data, axis, at, new: data.scatter_add(axis, at, new),
    "sub": lambda data, axis, at, new: data.scatter_add(axis, at, -new),
    "mul": lambda data, axis, at, new: data.scatter_reduce(axis, at, new, "prod"),
    "div": _divide,
    "max": lambda data, axis, at, new: data.scatter_reduce(axis, at, new, "amax"),
    "min": lambda data, axis, at, new: data.scatter_reduce(axis, at, new, "amin"),
}


def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
    axis: int = -1,
) -> Tensor:
    """`on_value` (1) at the places `indices` along a new axis, `off_value` (0) elsewhere."""
    on = torch.tensor(1) if on_value is None else on_value
    off = torch.tensor(0) if off_value is None else off_value
    at = axis_of(axis, indices.dim() + 1)
    places = torch.arange(one_hot_vector_size).reshape([-1] + [1] * (indices.dim() - at))
    return torch.where(indices.unsqueeze(at) == places, on, off)


def non_zero(x: Tensor) -> Tensor:
    """The positions of the elements that are not zero, one row each."""
    return torch.nonzero(x)


def reverse_sequence(x: Tensor, lengths: Tensor, seq_axis: int = 0, batch_axis: int = 0) -> Tensor:
    """`x` with the first lengths[i] elements along `seq_axis` of slice i of `batch_axis` in reverse."""
    at, batch = axis_of(seq_axis, x.dim()), axis_of(batch_axis, x.dim())
    place = torch.arange(x.shape[at]).reshape([-1 if i == at else 1 for i in range(x.dim())])
    length = lengths.long().reshape([-1 if i == batch else 1 for i in range(x.dim())])
    return x.gather(at, torch.where(place < length, length - 1 - place, place).expand(x.shape))


def _from_start(indices: Tensor, size: int) -> Tensor:
    """Indices counted from the start, as the older operation sets allow them to be negative.

    Raises:
        IndexError: one is out of range; Core ML does not define what it then reads.
    """
    if indices.numel() and not -size <= int(indices.min()) <= int(indices.max()) < size:
        raise IndexError(f"indices from {int(indices.min())} to {int(indices.max())} for {size} elements")
    wide = indices.long()
    return torch.where(wide < 0, wide + size, wide)
