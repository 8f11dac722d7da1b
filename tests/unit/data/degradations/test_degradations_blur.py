import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipersr_build.data.degradations.blur import Blur, gaussian_blur


def point() -> NDArray[np.uint8]:
    rgb = np.zeros((61, 61, 3), np.uint8)
    rgb[30, 30] = 255
    return rgb


def spread(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Second moments of the first channel around its centre: yy, xx, yx."""
    mass = rgb[..., 0] / rgb[..., 0].sum(dtype=float)
    y, x = np.mgrid[-30:31, -30:31]
    return np.array([(mass * y * y).sum(), (mass * x * x).sum(), (mass * y * x).sum()])


@pytest.mark.parametrize("sigma", [1.5, 3.0, 5.0])
def test_a_round_blur_equals_scipys(photo: NDArray[np.uint8], sigma: float) -> None:
    want = ndimage.gaussian_filter(photo.astype(float), (sigma, sigma, 0), mode="reflect", truncate=8)
    assert np.abs(gaussian_blur(photo, (sigma, sigma)) - want).max() <= 0.6


@pytest.mark.parametrize(
    ("angle", "moments"),
    [(0, (1, 9, 0)), (math.pi / 2, (9, 1, 0)), (math.pi / 4, (5, 5, 4)), (-math.pi / 4, (5, 5, -4))],
)
def test_deviations_and_angle_are_those_asked_for(angle: float, moments: tuple[float, ...]) -> None:
    square = np.zeros((61, 61, 3), np.uint8)
    square[28:33, 28:33] = 255  # bright enough that rounding hides no tails; its own moments are 2, 2, 0
    found = spread(gaussian_blur(square, (3, 1), angle)) - [2, 2, 0]
    np.testing.assert_allclose(found, moments, atol=0.35)


def test_flat_pictures_stay_and_nothing_blurs_nothing(photo: NDArray[np.uint8]) -> None:
    flat = np.full((7, 9, 3), (3, 140, 255), np.uint8)
    np.testing.assert_array_equal(gaussian_blur(flat, (5, 2), 1.0), flat)
    np.testing.assert_array_equal(gaussian_blur(photo, (0, 0)), photo)


def test_no_pixel_changes_another_beyond_the_reach() -> None:
    blur = Blur(sigma=(1.5, 1.5))
    changed = np.flatnonzero(gaussian_blur(point(), (1.5, 1.5))[30, :, 0])
    assert changed[-1] - 30 <= blur.reach
    assert blur.reach == 6


def test_parameters_are_drawn_from_their_ranges(photo: NDArray[np.uint8]) -> None:
    fixed = Blur(sigma=(1.2, 1.2), anisotropic=0)
    want = gaussian_blur(photo, (1.2, 1.2))
    np.testing.assert_array_equal(fixed.apply(photo, (48, 60), np.random.default_rng(1)), want)
    drawn = [
        Blur(sigma=(0.2, 3)).apply(photo, (48, 60), np.random.default_rng(seed)).tobytes()
        for seed in range(8)
    ]
    assert len(set(drawn)) == 8
