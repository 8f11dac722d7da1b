"""Sampling images at computed coordinates."""

import torch
from torch import Tensor

from pipersr_build.mil.ops.arguments import one_of
from pipersr_build.mil.ops.resize import grid, interpolate

_OUTSIDE = ("constant", "border", "reflection", "symmetric")


def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """`x` (B, C, H, W) sampled at coordinates (B, H', W', 2), which hold column and row; B, C, H', W'.

    `nearest` takes halves to the even element, which is not documented.
    """
    height, width = x.shape[-2:]
    columns = _pixels(coordinates[..., 0].float(), width, coordinates_mode, align_corners)
    rows = _pixels(coordinates[..., 1].float(), height, coordinates_mode, align_corners)
    if padding_mode not in _OUTSIDE:
        raise ValueError(f"padding_mode {padding_mode!r} is not one of {', '.join(_OUTSIDE)}")
    rows, columns = _moved_in(rows, height, padding_mode), _moved_in(columns, width, padding_mode)
    sample = one_of("sampling_mode", sampling_mode, {"bilinear": _bilinear, "nearest": _nearest})
    return sample(x, rows, columns, padding_value)


def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """`x` (B, C, H, W) sampled at A·(column, row, 1) for each output position; A is B or 1 by 6.

    Raises:
        ValueError: coordinates other than from -1 to 1 with aligned corners, which MIL does not have.
    """
    if coordinates_mode != "normalized_minus_one_to_one" or not align_corners:
        raise ValueError("affine needs coordinates normalized_minus_one_to_one with aligned corners")
    across = torch.linspace(-1, 1, output_width).expand(output_height, -1)
    down = torch.linspace(-1, 1, output_height).unsqueeze(1).expand(-1, output_width)
    homogeneous = torch.stack([across, down, torch.ones_like(down)], dim=-1)
    matrices = transform_matrix.reshape(-1, 1, 2, 3).expand(x.shape[0], -1, -1, -1)
    coordinates = homogeneous @ matrices.transpose(-1, -2)
    return resample(x, coordinates, sampling_mode, padding_mode, padding_value, coordinates_mode, True)


def crop_resize(
    x: Tensor,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    roi: Tensor | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    """Boxes of x (B, C, H, W), each resized to the target size.

    `boxes` (N, 4) with `box_indices` (N) give N, C, H', W'. The older `roi` (N, 1, 4, 1, 1) gives
    N, B, C, H', W', and (N, 1, 5, 1, 1), whose first number is the image, N, 1, C, H', W'. Grid points
    outside the image take `pad_value`.

    Raises:
        ValueError: UNALIGN_CORNERS, whose published results are not the formula's.
    """
    if sampling_mode == "UNALIGN_CORNERS":
        raise ValueError("sampling_mode 'UNALIGN_CORNERS' is not defined for boxes")
    images, corners = _boxes(x, boxes, box_indices, roi)
    height, width = x.shape[-2:]
    limits = torch.tensor([height - 1, width - 1]) if normalized_coordinates else torch.ones(2)
    ends = _corners(corners, box_coordinate_mode).double() * spatial_scale * limits.repeat(2)
    crops = []
    for batch, (top, left, bottom, right) in zip(images, ends.tolist(), strict=True):
        rows = grid(sampling_mode, top, bottom - top, target_height)
        columns = grid(sampling_mode, left, right - left, target_width)
        crops.append(_crop(batch, rows, columns, pad_value))
    whole = torch.stack(crops)
    return whole if roi is not None else whole.squeeze(1)


def _boxes(
    x: Tensor, boxes: Tensor | None, box_indices: Tensor | None, roi: Tensor | None
) -> tuple[list[Tensor], Tensor]:
    """For every box the images (b, C, H, W) that it is cut from, and the boxes (N, 4)."""
    if roi is not None:
        flat = roi.reshape(roi.shape[0], -1)
        if flat.shape[1] == 4:
            return [x] * len(flat), flat
        boxes, box_indices = flat[:, 1:], flat[:, 0]
    if boxes is None:
        raise ValueError("neither boxes nor roi are given")
    numbers = range(len(boxes)) if box_indices is None else [int(i) for i in box_indices.tolist()]
    return [x[i : i + 1] for i in numbers], boxes


def _corners(boxes: Tensor, mode: str) -> Tensor:
    """Boxes as top, left, bottom, right."""
    orders = {"HEIGHT_FIRST": [0, 1, 2, 3], "WIDTH_FIRST": [1, 0, 3, 2]}
    kind, _, order = mode.replace("CENTER_SIZE", "CENTER").partition("_")
    ordered = boxes[:, one_of("box_coordinate_mode", order, orders)]
    if kind == "CORNERS":
        return ordered
    middle, size = ordered[:, :2], ordered[:, 2:]
    return torch.cat([middle - size / 2, middle + size / 2], dim=1)


def _crop(x: Tensor, rows: Tensor, columns: Tensor, pad_value: float) -> Tensor:
    height, width = x.shape[-2:]
    inside = ((rows >= 0) & (rows <= height - 1)).unsqueeze(1) & ((columns >= 0) & (columns <= width - 1))
    values = interpolate(interpolate(x, 2, rows), 3, columns)
    return torch.where(inside, values, pad_value)


def _pixels(at: Tensor, size: int, mode: str, align_corners: bool) -> Tensor:
    """Coordinates in pixels, 0 at the centre of the first."""
    if mode == "unnormalized":
        return at
    fractions = {"normalized_minus_one_to_one": (at + 1) / 2, "normalized_zero_to_one": at}
    fraction = one_of("coordinates_mode", mode, fractions)
    return fraction * (size - 1) if align_corners else fraction * size - 0.5


def _moved_in(at: Tensor, size: int, padding_mode: str) -> Tensor:
    """Coordinates moved into the image as the padding mode has it; `constant` leaves them."""
    if padding_mode == "constant":
        return at
    if padding_mode == "reflection":  # about the centres of the first and last pixel
        at = _folded(at, size - 1)
    elif padding_mode == "symmetric":  # about the outer edges of the first and last pixel
        at = _folded(at + 0.5, size) - 0.5
    return at.clamp(0, size - 1)


def _folded(at: Tensor, length: int) -> Tensor:
    """Coordinates reflected at 0 and `length` until they lie between them."""
    if length == 0:
        return torch.zeros_like(at)
    return length - (length - torch.remainder(at, 2 * length)).abs()


def _nearest(x: Tensor, rows: Tensor, columns: Tensor, outside: float) -> Tensor:
    return _pixel(x, rows.round(), columns.round(), outside)


def _bilinear(x: Tensor, rows: Tensor, columns: Tensor, outside: float) -> Tensor:
    top, left = rows.floor(), columns.floor()
    down, across = (rows - top).unsqueeze(1), (columns - left).unsqueeze(1)
    upper = torch.lerp(_pixel(x, top, left, outside), _pixel(x, top, left + 1, outside), across)
    lower = torch.lerp(_pixel(x, top + 1, left, outside), _pixel(x, top + 1, left + 1, outside), across)
    return torch.lerp(upper, lower, down)


def _pixel(x: Tensor, rows: Tensor, columns: Tensor, outside: float) -> Tensor:
    """The pixels of x (B, C, H, W) at whole coordinates (B, H', W'), `outside` beyond the image."""
    batch, channels, height, width = x.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    place = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    flat = place.reshape(batch, 1, -1).expand(-1, channels, -1)
    values = x.reshape(batch, channels, -1).gather(2, flat).reshape(batch, channels, *rows.shape[1:])
    return torch.where(inside.unsqueeze(1), values, outside)
