"""PSNR and SSIM under named protocols.

The protocol alone moves a result by tenths of a dB, so every number carries its protocol's name. All
protocols take 8-bit RGB that was rounded (not cut), and leave out `scale` pixels at each side.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipersr_build.errors import InputError

SSIM_WINDOW = 11
_SIGMA, _K1, _K2, _PEAK = 1.5, 0.01, 0.03, 255.0


@dataclass(frozen=True)
class Protocol:
    """How two pictures are compared.

    `rounded` says whether luma is rounded to 8 bits before it is compared; `compare_with` says whose
    published numbers were made in this way.
    """

    name: str
    space: Literal["luma", "rgb"]
    rounded: bool
    compare_with: str


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("y_float", "luma", False, "the literature since BasicSR"),
        Protocol(
            "y_uint8", "luma", True, "MATLAB's rgb2ycbcr on uint8, for example PiperSR's published scores"
        ),
        Protocol("rgb_uint8", "rgb", False, "scores on RGB"),
    )
}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: there is none.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol {name}", fix=f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def validation_protocol(name: str) -> str:
    """The protocol by which a training chooses its weights: the named one, the first of them for `all`."""
    return protocols_named(name)[0].name


def protocols_named(name: str) -> list[Protocol]:
    """The protocol of that name, or every protocol for `all`.

    Raises:
        InputError: there is none.
    """
    return list(PROTOCOLS.values()) if name == "all" else [protocol_named(name)]


def least_size(scale: float) -> int:
    """The smallest height and width that can be compared: the SSIM window and what is left out."""
    return SSIM_WINDOW + 2 * math.ceil(scale)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Y of ITU-R BT.601 in 16..235, not rounded: 16 + (65.481 R + 128.553 G + 24.966 B) / 255.

    Args:
        rgb: uint8 of shape height, width, 3.

    Returns:
        float64 of shape height, width.
    """
    y: NDArray[np.float64] = 16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    return y


def compare(
    sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol | str, scale: float
) -> tuple[float, float]:
    """PSNR in dB (infinite where the two are equal) and SSIM of a picture against the truth.

    Args:
        sr: the picture to judge, uint8 of shape height, width, 3.
        hr: the truth, of the same shape.
        protocol: one of `PROTOCOLS` or its name.
        scale: pixels left out at each side; rounded up.

    Raises:
        InputError: the shapes differ, or are smaller than the SSIM window and what is left out, or
            there is no such protocol.
        ValueError: one of the two is not 8-bit RGB, or `scale` is negative.
    """
    a, b = _compared(sr, hr, protocol, scale)
    return psnr(a, b), ssim(a, b)


def compare_psnr(
    sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol | str, scale: float
) -> float:
    """The PSNR of `compare` alone, at a tenth of its cost: for validation during training."""
    return psnr(*_compared(sr, hr, protocol, scale))


def _compared(
    sr: NDArray[np.uint8], hr: NDArray[np.uint8], protocol: Protocol | str, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    protocol = protocol_named(protocol) if isinstance(protocol, str) else protocol
    _check(sr, hr, scale)
    out = math.ceil(scale)
    kept = (slice(out, sr.shape[0] - out), slice(out, sr.shape[1] - out))
    return planes(sr[kept], protocol), planes(hr[kept], protocol)


def planes(rgb: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.float64]:
    """What a protocol compares: float64 of shape height, width, channels in 0..255."""
    if protocol.space == "rgb":
        return rgb.astype(np.float64)
    y = luma(rgb)[..., None]
    return np.floor(y + 0.5) if protocol.rounded else y


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 255; infinite where the two are equal."""
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))


def ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Structural similarity, the mean over the valid region and the channels.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP
    13(4), 2004: Gaussian window of 11x11 and sigma 1.5, K1 0.01, K2 0.03, L 255, population variance.
    By scikit-image, whose window is separable: 30 times as fast in float64 as torchmetrics, which gives
    the same map.
    """
    from skimage.metrics import structural_similarity  # a quarter of a second

    return float(
        structural_similarity(
            a,
            b,
            gaussian_weights=True,  # radius int(3.5 * sigma + 0.5) = 5: a window of 11; it drops 5 pixels
            sigma=_SIGMA,
            use_sample_covariance=False,
            data_range=_PEAK,
            K1=_K1,
            K2=_K2,
            channel_axis=-1,
        )
    )


def _check(sr: NDArray[np.uint8], hr: NDArray[np.uint8], scale: float) -> None:
    for rgb in (sr, hr):
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(
                f"expected uint8 of shape height, width, 3, got {rgb.dtype} of shape {rgb.shape}"
            )
    if scale < 0:
        raise ValueError(f"the scale must not be negative, got {scale}")
    size, truth = (f"{rgb.shape[1]}x{rgb.shape[0]}" for rgb in (sr, hr))
    if sr.shape != hr.shape:
        raise InputError(
            f"the picture has {size} pixels, the truth {truth}", fix="compare pictures of one size"
        )
    least = least_size(scale)
    if min(sr.shape[:2]) < least:
        raise InputError(
            f"the picture has {size} pixels, the protocol needs {least}x{least}", fix="use a larger picture"
        )
