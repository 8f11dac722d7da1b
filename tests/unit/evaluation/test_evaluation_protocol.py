import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchmetrics.functional.image import structural_similarity_index_measure

from pipersr_build.errors import InputError
from pipersr_build.evaluation.protocol import PROTOCOLS, compare, luma, planes, protocol_named, psnr, ssim


def gray(value: int, size: int = 15) -> NDArray[np.uint8]:
    return np.full((size, size, 3), value, np.uint8)


def ssim_by_definition(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    x = np.arange(-5, 6)
    line = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (z[top : top + 11, left : left + 11] for z in (a, b))
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
            cov = (window * p * q).sum() - mp * mq
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def test_luma_of_black_white_and_primaries() -> None:
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_allclose(luma(rgb), [[16, 235, 81.481, 144.553, 40.966]], atol=1e-12)


def test_psnr_of_constant_pictures_by_hand() -> None:
    a, b = gray(100), gray(101)  # luma differs by 219 / 255
    assert compare(a, b, "rgb_uint8", 2)[0] == pytest.approx(20 * math.log10(255), abs=1e-12)
    assert compare(a, b, "y_float", 2)[0] == pytest.approx(20 * math.log10(255 / (219 / 255)), abs=1e-9)
    # 16 + 219 * 100 / 255 = 101.88 -> 102; 16 + 219 * 101 / 255 = 102.74 -> 103
    assert compare(a, b, "y_uint8", 2)[0] == pytest.approx(20 * math.log10(255), abs=1e-12)


def test_rounded_luma_can_hide_a_difference() -> None:
    values = np.floor(16 + 219 * np.arange(256) / 255 + 0.5)
    first = int(np.flatnonzero(np.diff(values) == 0)[0])  # two grays with one rounded luma
    a, b = gray(first), gray(first + 1)
    assert compare(a, b, "y_uint8", 2) == (math.inf, pytest.approx(1))
    assert compare(a, b, "y_float", 2)[0] < 60


def test_ssim_of_constant_pictures_by_hand() -> None:
    c1 = (0.01 * 255) ** 2
    want = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert compare(gray(100), gray(150), "rgb_uint8", 2)[1] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_equal_pictures(name: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 18, 3), dtype=np.uint8)
    assert compare(picture, picture, name, 2) == (math.inf, pytest.approx(1, abs=1e-12))


@pytest.mark.parametrize("scale", [0, 2, 3])
def test_the_border_is_left_out(scale: int) -> None:
    hr = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    sr = 255 - hr
    sr[scale : 20 - scale, scale : 24 - scale] = hr[scale : 20 - scale, scale : 24 - scale]
    assert compare(sr, hr, "y_float", scale)[0] == math.inf
    sr[scale, 24 - scale - 1] ^= 8
    assert compare(sr, hr, "y_float", scale)[0] < 80


def test_ssim_follows_the_definition() -> None:
    random = np.random.default_rng(0)
    a = random.uniform(0, 255, (14, 13, 2))
    b = np.clip(a + random.normal(0, 20, a.shape), 0, 255)
    want = np.mean([ssim_by_definition(a[..., i], b[..., i]) for i in range(2)])
    assert ssim(a, b) == pytest.approx(want, abs=1e-10)


def test_ssim_equals_torchmetrics_in_the_valid_region() -> None:
    random = np.random.default_rng(1)
    a = random.uniform(0, 255, (30, 25, 1))
    b = np.clip(a + random.normal(0, 9, a.shape), 0, 255)
    tensors = (torch.from_numpy(x[None, ..., 0][None]) for x in (a, b))
    full = structural_similarity_index_measure(*tensors, data_range=255.0, return_full_image=True)[1]
    assert ssim(a, b) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_compare_is_symmetric_and_channels_count_alike(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (random.integers(0, 256, (12, 12, 3), dtype=np.uint8) for _ in range(2))
    for name in PROTOCOLS:
        assert compare(a, b, name, 0) == pytest.approx(compare(b, a, name, 0))
    assert compare(a, b, "rgb_uint8", 0) == pytest.approx(compare(a[..., ::-1], b[..., ::-1], "rgb_uint8", 0))


def test_planes_of_each_protocol() -> None:
    rgb = np.array([[[255, 0, 0]]], np.uint8)
    assert planes(rgb, PROTOCOLS["y_float"]).tolist() == [[[pytest.approx(81.481)]]]
    assert planes(rgb, PROTOCOLS["y_uint8"]).tolist() == [[[81.0]]]
    assert planes(rgb, PROTOCOLS["rgb_uint8"]).tolist() == [[[255.0, 0.0, 0.0]]]
    assert psnr(np.zeros((1, 1, 1)), np.full((1, 1, 1), 255.0)) == 0


def test_shapes_that_cannot_be_compared_are_named() -> None:
    with pytest.raises(InputError, match="the picture has 15x15 pixels, the truth 16x16"):
        compare(gray(0, 15), gray(0, 16), "y_float", 2)
    with pytest.raises(InputError, match="the picture has 14x14 pixels, the protocol needs 15x15"):
        compare(gray(0, 14), gray(0, 14), "y_float", 2)
    compare(gray(0, 15), gray(1, 15), "y_float", 2)


def test_wrong_types_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        compare(gray(0).astype(np.float64), gray(0), "y_float", 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        compare(gray(0), gray(0), "y_float", -1)
    with pytest.raises(InputError, match="unknown protocol y") as caught:
        protocol_named("y")
    assert "y_float, y_uint8, rgb_uint8" in str(caught.value.fix)
