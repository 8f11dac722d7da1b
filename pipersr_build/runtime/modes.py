"""Pillow's modes as samples, and samples as Pillow's modes: see `samples` for their shapes."""

import io

import numpy as np
from PIL import Image, ImageCms, ImageOps

from pipersr_build.errors import InputError

_PLAIN = ("L", "LA", "RGB", "RGBA")
_OTHER_SPACES = ("CMYK", "LAB")  # whose profile says nothing about the RGB that they become


def from_image(image: Image.Image) -> np.ndarray:
    """The samples of an image, turned upright as its EXIF orientation says.

    Gray and bilevel images stay gray, 16-bit gray stays 16-bit; palettes, YCbCr and HSV become RGB, with
    alpha where they have some; CMYK and LAB become sRGB, by their colour profile where there is one.

    Returns:
        uint8 or uint16 of height, width or height, width, 2 to 4.

    Raises:
        InputError: samples of 32 bits, which have no defined white.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F"):
        fix = "convert it to 8 or 16 bits"
        raise InputError("32-bit samples have no defined white", where=f"mode {upright.mode}", fix=fix)
    if upright.mode.startswith("I;16"):
        return with_key(np.asarray(upright).astype(np.uint16), upright.info.get("transparency"))
    return np.asarray(_plain(upright))


def to_image(samples: np.ndarray) -> Image.Image:
    """Samples of uint8, or of uint16 and gray, as an image: L, LA, RGB, RGBA or I;16."""
    return Image.fromarray(np.ascontiguousarray(samples))


def has_own_profile(image: Image.Image) -> bool:
    """Whether the image's colour profile still describes the samples that `from_image` gives."""
    return image.mode not in _OTHER_SPACES


def with_key(samples: np.ndarray, key: object) -> np.ndarray:
    """Samples, with an alpha channel if a colour `key` is declared see-through and occurs."""
    if key is None or isinstance(key, bytes):
        return samples
    planes = samples.reshape(*samples.shape[:2], -1)
    through = (planes == np.asarray(key)).all(axis=-1)
    if not through.any():
        return samples
    alpha = np.where(through, 0, np.iinfo(samples.dtype).max).astype(samples.dtype)
    return np.concatenate([planes, alpha[..., None]], axis=-1)


def _plain(image: Image.Image) -> Image.Image:
    """The image in one of the plain 8-bit modes."""
    if image.mode in _OTHER_SPACES:
        return _to_srgb(image)
    gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return image.convert("LA" if gray else "RGBA")
    if image.mode in _PLAIN:
        return image
    return image.convert("L" if gray else "RGB")


def _to_srgb(image: Image.Image) -> Image.Image:
    """By the image's own profile; LAB by its definition, CMYK as its complement where there is none."""
    profile = image.info.get("icc_profile")
    source = ImageCms.createProfile("LAB") if image.mode == "LAB" else None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile and source is None else source
        if given is not None:
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, given, srgb, outputMode="RGB")
            assert converted is not None
            return converted
    except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another colour space
        pass
    return image.convert("RGB")
