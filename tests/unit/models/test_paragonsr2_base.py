import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipersr_build.models.paragonsr2.base import (
    BLUR,
    PhaseBase,
    PublishedBase,
    blur_phases,
    magic_phases,
)

SCALES = [2, 3, 4]


def magic_kernel_sharp_2021(x):
    """Its piecewise polynomial (Costella, https://johncostella.com/magic/)."""
    x = abs(x)
    if x <= 0.5:
        return 577 / 576 - 239 / 144 * x**2
    if x <= 1.5:
        return 35 / 36 * (x - 1) * (x - 239 / 140)
    if x <= 2.5:
        return 1 / 6 * (x - 2) * (65 / 24 - x)
    if x <= 3.5:
        return 1 / 36 * (x - 3) * (x - 15 / 4)
    return -1 / 288 * (x - 4.5) ** 2 if x <= 4.5 else 0.0


def blurred_nearest(lr, scale):
    """The enlargement by its definition, with the picture's edge repeated before the blur."""
    nearest = lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    framed = functional.pad(nearest, (2, 2, 2, 2), mode="replicate")
    kernel = torch.outer(BLUR, BLUR).to(lr).repeat(3, 1, 1, 1)
    return functional.conv2d(framed, kernel, groups=3)


def test_the_weights_at_2x():
    assert (blur_phases(2) * 16).tolist() == [[5, 10, 1], [1, 10, 5]]


@pytest.mark.parametrize("scale", SCALES)
def test_the_magic_kernels_weights_are_its_polynomials(scale):
    places = [(phase + 0.5) / scale - 0.5 for phase in range(scale)]
    expected = [[magic_kernel_sharp_2021(place - pixel) for pixel in range(-4, 5)] for place in places]
    torch.testing.assert_close(magic_phases(scale).tolist(), expected, rtol=0, atol=1e-15)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SCALES), st.integers(1, 9), st.integers(1, 9))
def test_one_convolution_is_nearest_and_blur_borders_included(scale, height, width):
    lr = torch.rand(2, 3, height, width)
    found = PhaseBase(blur_phases(scale))(lr)
    torch.testing.assert_close(found, blurred_nearest(lr, scale), rtol=0, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SCALES), st.integers(3, 9), st.integers(3, 9))
def test_inside_it_is_the_published_one_without_low_pass(scale, height, width):
    lr = torch.rand(1, 3, height, width)
    inside = (..., slice(2, -2), slice(2, -2))
    found, published = PhaseBase(blur_phases(scale))(lr), PublishedBase(scale, 0.0)(lr)
    torch.testing.assert_close(found[inside], published[inside], rtol=0, atol=1e-6)


def test_the_published_one_darkens_the_border_and_ours_does_not():
    white = torch.ones(1, 3, 8, 8)
    published = PublishedBase(2, 0.0)(white)[0, 1]
    assert published[8, :3].tolist() == [0.6875, 0.9375, 1.0]
    assert published[0, 0].item() == pytest.approx(0.473, abs=5e-4)
    for phases in (blur_phases(2), magic_phases(2)):
        torch.testing.assert_close(PhaseBase(phases)(white), torch.ones(1, 3, 16, 16), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("period", "gain"), [(2, 0.6), (4, 0.8)])
def test_the_published_alpha_blurs(period, gain):
    """A low-pass of 0 at the highest frequency and 1/2 at half of it, at a share of 0.4."""
    wave = {2: [1.0, -1.0], 4: [1.0, 1.0, -1.0, -1.0]}[period]
    lr = torch.tensor(wave * 8).repeat(1, 3, 16, 1)[..., :32]
    with_it, without = (PublishedBase(2, alpha)(lr)[0, 0, 16, 12:20] for alpha in (0.4, 0.0))
    torch.testing.assert_close(with_it, gain * without, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "base", [PhaseBase(magic_phases(2)), PhaseBase(blur_phases(3)), PublishedBase(2, 0.4)]
)
def test_a_lower_precision_of_training_does_not_reach_it(base):
    lr = torch.rand(1, 3, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = base(lr)
    assert torch.equal(mixed, base(lr))
