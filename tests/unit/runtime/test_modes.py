import numpy as np
import pytest
from PIL import Image, ImageCms

from pipersr_build.errors import InputError
from pipersr_build.runtime.modes import from_image, has_own_profile, to_image, with_key

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def profile(space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_without_a_defined_white_are_refused(mode):
    with pytest.raises(InputError, match="no defined white") as told:
        from_image(Image.new(mode, (3, 2)))
    assert told.value.where == f"mode {mode}"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_plain_modes_come_back_as_they_went(mode):
    image = Image.fromarray(RGB).convert(mode)
    samples = from_image(image)
    assert np.array_equal(samples, np.asarray(image))
    assert to_image(samples).mode == mode
    assert has_own_profile(image)


@pytest.mark.parametrize("given", [b"no profile", profile("LAB"), profile("sRGB"), None])
def test_cmyk_whose_profile_is_of_no_use_is_its_complement(given):
    image = Image.fromarray(RGB).convert("CMYK")
    if given is not None:
        image.info["icc_profile"] = given
    assert np.array_equal(from_image(image), np.asarray(image.convert("RGB")))
    assert not has_own_profile(image)


def test_lab_becomes_srgb_by_its_definition():
    gray = ImageCms.profileToProfile(
        Image.new("RGB", (2, 2), (119, 119, 119)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert np.abs(from_image(gray).astype(int) - 119).max() <= 1


@pytest.mark.parametrize("key", [None, b"\0\xff", 256, (1, 2)])
def test_a_key_that_does_not_occur_makes_no_alpha(key):
    samples = (
        np.full((2, 3), 7, np.uint16) if not isinstance(key, tuple) else np.full((2, 3, 2), 7, np.uint16)
    )
    assert with_key(samples, key) is samples


def test_a_colour_key_becomes_alpha():
    samples = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint16)
    assert with_key(samples, (1, 2, 3)).tolist() == [[[1, 2, 3, 0], [1, 2, 4, 65535]]]
