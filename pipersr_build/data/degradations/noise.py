"""Noise of the sensor: Gaussian (electronics) and Poisson (counted light)."""

from typing import Annotated, Literal

import numpy as np

from pipersr_build.data.degradations.base import (
    Degradation,
    Probability,
    RealRange,
    Rgb,
    Size,
    to_uint8,
    within,
)


class Noise(Degradation):
    """Noise whose standard deviation is drawn from `sigma`, in 8-bit levels.

    For `poisson` it is that of a white pixel: noise falls with the square root of the brightness. With
    the probability `gray` all three channels have the same noise.
    """

    kind: Literal["noise"] = "noise"
    distribution: Literal["gaussian", "poisson"] = "gaussian"
    sigma: Annotated[RealRange, within(0.0, 128.0)] = (1.0, 10.0)
    gray: Probability = 0.4

    @property
    def reach(self) -> int:
        """Every pixel is on its own."""
        return 0

    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Add noise as drawn."""
        del size
        sigma, gray = random.uniform(*self.sigma), random.random() < self.gray
        add = gaussian_noise if self.distribution == "gaussian" else poisson_noise
        return add(rgb, sigma, random, gray)


def gaussian_noise(rgb: Rgb, sigma: float, random: np.random.Generator, gray: bool = False) -> Rgb:
    """Add normal noise of standard deviation `sigma` (8-bit levels), the same in all channels if `gray`."""
    shape = (*rgb.shape[:2], 1) if gray else rgb.shape
    return to_uint8(rgb + sigma * random.standard_normal(shape, np.float32))


def poisson_noise(rgb: Rgb, sigma: float, random: np.random.Generator, gray: bool = False) -> Rgb:
    """Count photons: white has (255 / sigma)^2 of them, and so the deviation `sigma` in 8-bit levels.

    If `gray`, the noise of the luma (ITU-R BT.601) is added to all channels.
    """
    if sigma == 0:
        return rgb
    light = rgb.astype(np.float64)
    if gray:
        light = (light @ (0.299, 0.587, 0.114))[..., None]
    level = sigma**2 / 255  # of one photon
    return to_uint8(rgb + (level * random.poisson(light / level) - light))
