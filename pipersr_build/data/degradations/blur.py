"""Gaussian blur, round or stretched along any direction."""

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.degradations.base import (
    Degradation,
    Probability,
    RealRange,
    Rgb,
    Size,
    to_uint8,
    within,
)

_TAIL = 4  # standard deviations after which a Gaussian is taken for nothing


class Blur(Degradation):
    """Blur with standard deviations from `sigma`, in pixels of the picture as it is at that point.

    With the probability `anisotropic` the two axes have deviations of their own and a random angle.
    """

    kind: Literal["blur"] = "blur"
    sigma: Annotated[RealRange, within(0.0, 16.0)] = (0.2, 1.5)
    anisotropic: Probability = 0.5

    @property
    def reach(self) -> int:
        """The Gaussian's tail."""
        return math.ceil(_TAIL * self.sigma[1])

    def apply(self, rgb: Rgb, size: Size, random: np.random.Generator) -> Rgb:
        """Blur as drawn."""
        del size
        along = across = random.uniform(*self.sigma)
        angle = 0.0
        if random.random() < self.anisotropic:
            across, angle = random.uniform(*self.sigma), random.uniform(0, math.pi)
        return gaussian_blur(rgb, (along, across), angle)


def gaussian_blur(rgb: Rgb, sigma: tuple[float, float], angle: float = 0.0) -> Rgb:
    """Convolve with a Gaussian, exactly, by its Fourier transform; mirrored beyond the border.

    Args:
        rgb: uint8 of shape height, width, 3.
        sigma: standard deviations in pixels along the first axis and across it.
        angle: of the first axis against the horizontal, in radians.
    """
    pad = math.ceil(_TAIL * max(sigma))
    padded = np.pad(rgb.astype(np.float32), ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    height, width = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * _response(height, width, sigma, angle)[..., None]
    blurred = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    return to_uint8(blurred[pad : pad + rgb.shape[0], pad : pad + rgb.shape[1]])


def _response(height: int, width: int, sigma: tuple[float, float], angle: float) -> NDArray[np.float64]:
    """The Gaussian's Fourier transform: exp(-2 pi^2 (sigma_1^2 f_1^2 + sigma_2^2 f_2^2)), f turned."""
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    along = math.cos(angle) * right + math.sin(angle) * down
    across = math.cos(angle) * down - math.sin(angle) * right
    response: NDArray[np.float64] = np.exp(
        -2 * math.pi**2 * ((sigma[0] * along) ** 2 + (sigma[1] * across) ** 2)
    )
    return response
