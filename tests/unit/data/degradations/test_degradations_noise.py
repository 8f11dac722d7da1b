import numpy as np
import pytest
from numpy.typing import NDArray

from pipersr_build.data.degradations.noise import Noise, gaussian_noise, poisson_noise


def flat(level: int) -> NDArray[np.uint8]:
    return np.full((120, 120, 3), level, np.uint8)


def test_gaussian_noise_has_the_deviation_asked_for(random: np.random.Generator) -> None:
    noisy = gaussian_noise(flat(128), 6, random).astype(float)
    assert noisy.std() == pytest.approx(6, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=0.15)
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("level", [30, 128, 220])
def test_poisson_noise_grows_with_the_square_root_of_the_light(
    level: int, random: np.random.Generator
) -> None:
    noisy = poisson_noise(flat(level), 8, random).astype(float)
    assert noisy.std() == pytest.approx(8 * (level / 255) ** 0.5, rel=0.05)
    assert noisy.mean() == pytest.approx(level, abs=0.15)


@pytest.mark.parametrize("add", [gaussian_noise, poisson_noise])
def test_gray_noise_is_the_same_in_all_channels(add: object, random: np.random.Generator) -> None:
    assert callable(add)
    rgb = np.broadcast_to(np.array([90, 120, 150], np.uint8), (40, 40, 3))
    noise = add(rgb, 5, random, True).astype(int) - rgb
    assert np.ptp(noise, axis=2).max() <= 1  # rounding
    assert noise.std() > 2


def test_no_noise_is_no_change(photo: NDArray[np.uint8], random: np.random.Generator) -> None:
    for distribution in ("gaussian", "poisson"):
        silent = Noise(distribution=distribution, sigma=(0, 0))
        np.testing.assert_array_equal(silent.apply(photo, (48, 60), random), photo)


def test_values_stay_in_range(random: np.random.Generator) -> None:
    for level in (0, 255):
        for gray in (False, True):
            noisy = gaussian_noise(flat(level), 100, random, gray)
            assert noisy.min() == 0 or noisy.max() == 255
            assert abs(int(np.median(noisy)) - level) < 5


def test_the_distribution_is_the_configured_one() -> None:
    dark = [
        Noise(distribution=name, sigma=(9, 9), gray=0).apply(flat(4), (1, 1), np.random.default_rng(0)).std()
        for name in ("gaussian", "poisson")
    ]
    assert dark[0] > 2 * dark[1]
