import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.data.resize import (
    contributions,
    crop_to_multiple,
    downscale,
    imresize,
    upscale_bicubic,
)
from pipersr_build.errors import InputError

LENGTHS = st.integers(1, 13)
BYTES = arrays(np.uint8, st.tuples(LENGTHS, LENGTHS, st.just(3)))
# Bytes from which no overshoot is clipped: what is clipped depends on which dimension comes first.
MIDDLE_BYTES = arrays(np.uint8, st.tuples(LENGTHS, LENGTHS, st.just(3)), elements=st.integers(64, 191))
FLOATS = arrays(np.float64, st.tuples(LENGTHS, LENGTHS), elements=st.floats(-10, 300, width=32))
SCALES = st.sampled_from([0.25, 1 / 3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])


def by_definition(line: list[float], out_length: int, scale: float) -> list[float]:
    """One dimension of MATLAB's imresize, pixel by pixel, in plain Python."""
    shrink = min(scale, 1.0)

    def kernel(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    result = []
    for x in range(1, out_length + 1):
        centre = x / scale + 0.5 * (1 - 1 / scale)
        reach = range(math.floor(centre - 2 / shrink) - 2, math.ceil(centre + 2 / shrink) + 3)
        weights = [kernel(shrink * (centre - position)) for position in reach]
        pixels = [line[min(at, 2 * len(line) - 1 - at)] for at in ((p - 1) % (2 * len(line)) for p in reach)]
        result.append(sum(w * p for w, p in zip(weights, pixels, strict=True)) / sum(weights))
    return result


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_lr_pictures_equal_matlabs_at_every_pixel(shared_data: Path, name: str) -> None:
    for path in list_images(shared_data / "test" / name / "HR"):
        lr = load_rgb(shared_data / "test" / name / "LRx2" / path.name)
        np.testing.assert_array_equal(downscale(load_rgb(path), 2), lr, err_msg=path.name)


def test_weights_of_halving_by_hand() -> None:
    # a = -1/2 at 1/4, 3/4, 5/4, 7/4, halved because the kernel is twice as wide
    side = [-0.01171875, -0.03515625, 0.11328125, 0.43359375]
    weights, indices = contributions(20, 10, 0.5)
    np.testing.assert_array_equal(weights[5], side + side[::-1])
    np.testing.assert_array_equal(indices[5], range(7, 15))
    np.testing.assert_array_equal(indices[0], [2, 1, 0, 0, 1, 2, 3, 4])  # mirrored, the border repeated


def test_bytes_are_rounded_half_away_from_zero_after_each_dimension_rows_first() -> None:
    # Without antialiasing, halving two pixels is their mean.
    def halved(rows: list[list[int]]) -> int:
        return int(imresize(np.array(rows, np.uint8), 0.5, antialias=False)[0, 0])

    assert halved([[0, 1], [0, 1]]) == 1  # 0.5 upwards
    assert halved([[2, 3], [2, 3]]) == 3  # 2.5 upwards, not to even
    assert halved([[0, 1], [0, 0]]) == 1  # 0.25, but 0.5 was rounded on the way
    assert halved([[0, 2], [1, 1]]) == 2  # down the height first: 1 and 2
    assert halved([[0, 1], [2, 1]]) == 1  # the other order would give 2


def test_what_shrinks_most_goes_first() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    first = imresize(image, size=(12, 3))
    np.testing.assert_array_equal(imresize(image, size=(6, 3)), imresize(first, size=(6, 3)))
    first = imresize(image, size=(3, 12))
    np.testing.assert_array_equal(imresize(image, size=(3, 6)), imresize(first, size=(3, 6)))


def test_overshoot_is_clipped_in_bytes_and_kept_in_float() -> None:
    edge = np.repeat(np.array([[0, 0, 0, 255, 255, 255]], np.uint8), 4, axis=0)
    assert (imresize(edge, 2.0).min(), imresize(edge, 2.0).max()) == (0, 255)
    assert imresize(edge.astype(np.float64), 2.0).min() < -5


@given(FLOATS, SCALES)
def test_equals_the_definition(image: NDArray[np.float64], scale: float) -> None:
    height, width = (math.ceil(length * scale) for length in image.shape)
    rows = np.array([by_definition(list(column), height, scale) for column in image.T]).T
    want = np.array([by_definition(list(row), width, scale) for row in rows])
    np.testing.assert_allclose(imresize(image, scale), want, atol=1e-9)


@given(st.integers(0, 255), LENGTHS, LENGTHS, SCALES)
def test_constant_pictures_stay_constant(value: int, height: int, width: int, scale: float) -> None:
    image = np.full((height, width, 3), value, np.uint8)
    resized = imresize(image, scale)
    assert resized.shape == (math.ceil(height * scale), math.ceil(width * scale), 3)
    assert (resized == value).all()
    np.testing.assert_allclose(imresize(image.astype(np.float64), scale), value, atol=1e-9)


@given(BYTES)
def test_scale_one_is_identity(image: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(imresize(image, 1.0), image)
    np.testing.assert_array_equal(imresize(image, size=image.shape[:2]), image)


@given(FLOATS, LENGTHS, LENGTHS)
def test_flips_and_transposition_commute_in_float(
    image: NDArray[np.float64], height: int, width: int
) -> None:
    resized = imresize(image, size=(height, width))
    for mirror in (np.flipud, np.fliplr):
        np.testing.assert_allclose(imresize(mirror(image), size=(height, width)), mirror(resized), atol=1e-9)
    np.testing.assert_allclose(imresize(image.T, size=(width, height)), resized.T, atol=1e-9)


@given(MIDDLE_BYTES, LENGTHS, LENGTHS)
def test_flips_and_transposition_commute_in_bytes_up_to_rounding(
    image: NDArray[np.uint8], height: int, width: int
) -> None:
    # A sum that lies half-way may round to either side when it is added up in another order, twice.
    resized = imresize(image, size=(height, width)).astype(int)
    for mirror in (np.flipud, np.fliplr):
        flipped = imresize(np.ascontiguousarray(mirror(image)), size=(height, width))
        assert np.abs(flipped - mirror(resized)).max() <= 2
    turned = imresize(image.transpose(1, 0, 2), size=(width, height))
    assert np.abs(turned - resized.transpose(1, 0, 2)).max() <= 2  # the other dimension is rounded first


@given(BYTES)
def test_halving_and_doubling_commute_with_flips_exactly(image: NDArray[np.uint8]) -> None:
    for mirror in (np.flipud, np.fliplr):
        mirrored = np.ascontiguousarray(mirror(image))
        np.testing.assert_array_equal(upscale_bicubic(mirrored, 2), mirror(upscale_bicubic(image, 2)))
        even, mirrored = (np.repeat(np.repeat(x, 2, 0), 2, 1) for x in (image, mirrored))
        np.testing.assert_array_equal(downscale(mirrored, 2), mirror(downscale(even, 2)))


@given(LENGTHS, SCALES, st.booleans())
def test_weights_sum_to_one_and_stay_inside(length: int, scale: float, antialias: bool) -> None:
    weights, indices = contributions(length, math.ceil(length * scale), scale, antialias)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert weights.shape == indices.shape
    assert 0 <= indices.min() <= indices.max() < length


def test_pictures_wider_than_a_block_of_columns() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (6, 150, 3))
    whole = imresize(image, 0.5)
    np.testing.assert_allclose(whole[:, :, 1], imresize(image[:, :, 1], 0.5), atol=1e-12)


def test_float32_stays_float32() -> None:
    image = np.random.default_rng(0).uniform(0, 1, (6, 7)).astype(np.float32)
    assert imresize(image, 2.0).dtype == np.float32
    np.testing.assert_allclose(imresize(image, 2.0), imresize(image.astype(np.float64), 2.0), atol=1e-6)


@given(BYTES, st.integers(1, 4))
def test_downscale_crops_and_upscale_multiplies(image: NDArray[np.uint8], scale: int) -> None:
    height, width = image.shape[:2]
    if min(height, width) < scale:
        with pytest.raises(InputError, match=f"{width}x{height} pixels cannot be reduced {scale} times"):
            downscale(image, scale)
        return
    cropped = crop_to_multiple(image, scale)
    assert cropped.shape[:2] == (height - height % scale, width - width % scale)
    lr = downscale(image, scale)
    np.testing.assert_array_equal(lr, imresize(cropped, 1 / scale))
    assert upscale_bicubic(lr, scale).shape == cropped.shape


def test_wrong_arguments_are_refused() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    for arguments in (
        {},
        {"scale": 2.0, "size": (2, 2)},
        {"scale": 0.0},
        {"scale": math.inf},
        {"size": (0, 2)},
    ):
        with pytest.raises(ValueError, match=r"scale|size"):
            imresize(image, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        imresize(np.zeros((0, 4), np.uint8), 2.0)
    with pytest.raises(ValueError, match="int64"):
        imresize(np.zeros((4, 4), np.int64), 2.0)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="height, width, 3"):
        downscale(np.zeros((4, 4), np.uint8), 2)
