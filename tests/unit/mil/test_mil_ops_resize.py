"""Resizing and sampling, against the grids and values that coremltools publishes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.mil.ops import TABLE
from pipersr_build.mil.ops.resize import grid

# Grid points of two elements, from the documentation of coremltools' `resize_bilinear`.
DOCUMENTED = [
    ("UNALIGN_CORNERS", 5, [0, 0.1, 0.5, 0.9, 1]),
    ("STRICT_ALIGN_CORNERS", 5, [0, 0.25, 0.5, 0.75, 1]),
    ("ALIGN_CORNERS", 5, [0, 0.25, 0.5, 0.75, 1]),
    ("DEFAULT", 5, [0, 0.4, 0.8, 1, 1]),
    ("OFFSET_CORNERS", 5, [0.1, 0.3, 0.5, 0.7, 0.9]),
    ("UNALIGN_CORNERS", 6, [0, 0, 1 / 3, 2 / 3, 1, 1]),
    ("STRICT_ALIGN_CORNERS", 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ("DEFAULT", 6, [0, 1 / 3, 2 / 3, 1, 1, 1]),
    ("OFFSET_CORNERS", 6, [1 / 12, 0.25, 5 / 12, 7 / 12, 0.75, 11 / 12]),
    ("ALIGN_CORNERS", 1, [0.5]),
    ("STRICT_ALIGN_CORNERS", 1, [0]),
]
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
PAIR = torch.tensor([0.0, 1.0])


@pytest.mark.parametrize(("mode", "points", "expected"), DOCUMENTED)
@pytest.mark.parametrize("name", ["resize_bilinear", "resize"])
def test_documented_grids(name, mode, points, expected):
    sizes = {"resize_bilinear": {"target_size_height": 1, "target_size_width": points},
             "resize": {"shape": [1, points], "resized_dims": 2}}[name]  # fmt: skip
    result = TABLE[name](x=PAIR.reshape(1, 1, 1, 2), sampling_mode=mode, **sizes)
    np.testing.assert_allclose(result.flatten(), expected, atol=1e-6)


def linear(x, mode, size):
    at = grid(mode, 0, len(x) - 1, size).clamp(0, len(x) - 1).numpy()
    return np.interp(at, np.arange(len(x)), x)


@given(st.sampled_from(MODES), st.integers(1, 9), st.integers(1, 12), st.integers(2, 5))
def test_linear_resizing_interpolates_at_the_grid(mode, size, points, rank):
    x = np.random.default_rng(size).standard_normal(size)
    image = torch.from_numpy(x).float().reshape([1] * rank + [size]).expand([2] * (rank - 1) + [3, size])
    result = TABLE["resize_bilinear"](
        x=image, target_size_height=3, target_size_width=points, sampling_mode=mode
    )
    assert result.shape == (*[2] * (rank - 1), 3, points)
    np.testing.assert_allclose(result.reshape(-1, points)[0], linear(x, mode, points), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [({"align_corners": True}, "STRICT_ALIGN_CORNERS"), ({"align_corners": False}, "UNALIGN_CORNERS"),
     ({"align_corners": False, "half_pixel_centers": False}, "DEFAULT"), ({}, "STRICT_ALIGN_CORNERS")],
)  # fmt: skip
def test_upsampling_flags(arguments, mode):
    x = np.random.default_rng(0).standard_normal(5)
    image = torch.from_numpy(x).float().reshape(1, 1, 1, 5)
    result = TABLE["upsample_bilinear"](x=image, scale_factor_width=2.6, **arguments)
    np.testing.assert_allclose(result.flatten(), linear(x, mode, 13), atol=1e-6)


def test_contradicting_flags_are_refused():
    with pytest.raises(ValueError, match="exclude each other"):
        TABLE["upsample_bilinear"](x=PAIR.reshape(1, 1, 1, 2), align_corners=True, half_pixel_centers=True)


@pytest.mark.parametrize(
    ("scale", "expected"), [(2, [1, 1, 2, 2, 3, 3]), (0.67, [1, 2]), (1.12, [1, 2, 3]), (1.5, [1, 1, 2, 3])]
)
def test_nearest_upsampling_takes_the_element_below(scale, expected):
    x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 3)
    assert TABLE["upsample_nearest_neighbor"](x=x, scale_factor_width=scale).flatten().tolist() == expected


def test_nearest_resizing_of_two_kinds():
    x = torch.tensor([-6.0, 9.0]).reshape(1, 1, 2, 1)
    below = TABLE["resize_nearest_neighbor"](x=x, target_size_height=3, target_size_width=2)
    assert below[0, 0, :, 0].tolist() == [-6, -6, 9]
    near = TABLE["resize"](x=x, shape=[1, 3, 2], resized_dims=2, interpolation_mode="NEAREST_NEIGHBOR")
    assert near[0, 0].tolist() == [[-6, -6], [9, 9], [9, 9]]  # as coremltools' own test expects


def test_resize_keeps_extents_that_are_zero():
    assert TABLE["resize"](x=torch.zeros(1, 2, 3, 4), shape=[1, 6, 0], resized_dims=2).shape == (1, 2, 6, 4)


IMAGE = torch.tensor([11.0, 22.0, 33.0, 44.0]).reshape(1, 1, 2, 2)
POINTS = torch.tensor([-1.0, -2.0, -3.7, -1.0, 0.0, 0.0, 3.5, 1.2]).reshape(1, 2, 2, 2)


@pytest.mark.parametrize(
    ("sampling", "padding", "value", "coordinates", "align", "expected"),
    [
        ("bilinear", "constant", 6.17, "normalized_minus_one_to_one", True, [8.585, 6.17, 27.5, 6.17]),
        ("nearest", "border", -1.0, "unnormalized", False, [11, 11, 11, 44]),
        ("bilinear", "reflection", -1.0, "normalized_zero_to_one", True, [22, 36.3, 11, 34.1]),
        ("nearest", "symmetric", -1.0, "normalized_zero_to_one", False, [22, 33, 11, 33]),
    ],
)
def test_resampling_gives_the_published_values(sampling, padding, value, coordinates, align, expected):
    result = TABLE["resample"](
        x=IMAGE, coordinates=POINTS, sampling_mode=sampling, padding_mode=padding, padding_value=value,
        coordinates_mode=coordinates, align_corners=align,
    )  # fmt: skip
    np.testing.assert_allclose(result.flatten(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(3, 3, [10.752501, 2.5025, 0, 1.98, 0, 0, 0, 0, 0]),
     (2, 5, [10.752501, 5.94, 2.5025, 0.44, 0, 0, 0, 0, 0, 0])],
)  # fmt: skip
def test_affine_gives_the_published_values(height, width, expected):
    result = TABLE["affine"](
        x=IMAGE, transform_matrix=torch.tensor([[-1.0, -2.0, -3.7, -1.0, 3.5, 1.2]]), output_height=height,
        output_width=width, sampling_mode="bilinear", padding_mode="constant", padding_value=0.0,
        coordinates_mode="normalized_minus_one_to_one", align_corners=True,
    )  # fmt: skip
    np.testing.assert_allclose(result.flatten(), expected, rtol=1e-4, atol=1e-5)


SQUARE = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ([1, 1, 2, 2], 2, [6, 7, 10, 11]),
        ([1, 1, 2, 2], 1, [8.5]),
        ([2, 2, 1, 1], 2, [11, 10, 7, 6]),
        ([0, 0, 3, 3], 4, list(range(1, 17))),
    ],
)
def test_cropping_with_aligned_corners(box, size, expected):
    for boxes in ({"boxes": torch.tensor([box])}, {"roi": torch.tensor(box).reshape(1, 1, 4, 1, 1)}):
        result = TABLE["crop_resize"](
            x=SQUARE, **boxes, target_height=size, target_width=size, sampling_mode="ALIGN_CORNERS"
        )
        assert result.shape == ((1, 1, size, size) if "boxes" in boxes else (1, 1, 1, size, size))
        np.testing.assert_allclose(result.flatten(), expected)


def test_normalised_boxes_beyond_the_image_are_padded():
    boxes = torch.tensor([[0.1, 0.3, 1.3, 1.0], [0.5, 1.8, 1.0, 0.3], [0.0, 0.4, 0.6, 0.7]])
    result = TABLE["crop_resize"](
        x=SQUARE, boxes=boxes, box_indices=torch.zeros(3, dtype=torch.int32), target_height=2, target_width=2,
        normalized_coordinates=True, sampling_mode="ALIGN_CORNERS", pad_value=10.0,
    )  # fmt: skip
    expected = [3.1, 5.2, 10.0, 10.0, 10.0, 7.9, 10.0, 13.9, 2.2, 3.1, 9.4, 10.3]
    np.testing.assert_allclose(result.flatten(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "box"),
    [("CORNERS_HEIGHT_FIRST", [0, 1, 2, 3]), ("CORNERS_WIDTH_FIRST", [1, 0, 3, 2]),
     ("CENTER_SIZE_HEIGHT_FIRST", [1, 2, 2, 2]), ("CENTER_SIZE_WIDTH_FIRST", [2, 1, 2, 2])],
)  # fmt: skip
def test_box_conventions(mode, box):
    result = TABLE["crop_resize"](
        x=SQUARE, boxes=torch.tensor([box]), target_height=3, target_width=3, box_coordinate_mode=mode,
        sampling_mode="STRICT_ALIGN_CORNERS",
    )  # fmt: skip
    assert torch.equal(result[0, 0], SQUARE[0, 0, 0:3, 1:4])


def test_a_region_names_its_image():
    images = torch.cat([SQUARE, 10 * SQUARE])
    region = torch.tensor([1.0, 0, 0, 3, 3]).reshape(1, 1, 5, 1, 1)
    result = TABLE["crop_resize"](
        x=images, roi=region, target_height=4, target_width=4, sampling_mode="ALIGN_CORNERS"
    )
    assert torch.equal(result, 10 * SQUARE.unsqueeze(0))


def test_what_is_undefined_for_boxes_is_refused():
    with pytest.raises(ValueError, match="not defined for boxes"):
        TABLE["crop_resize"](x=SQUARE, boxes=torch.ones(1, 4), sampling_mode="UNALIGN_CORNERS")
    with pytest.raises(ValueError, match="neither boxes nor roi"):
        TABLE["crop_resize"](x=SQUARE)
