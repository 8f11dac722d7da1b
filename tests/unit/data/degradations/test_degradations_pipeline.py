from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipersr_build import config
from pipersr_build.data.degradations import KINDS, Pipeline, parse
from pipersr_build.data.degradations.base import window
from pipersr_build.data.degradations.blur import gaussian_blur
from pipersr_build.data.degradations.jpeg import jpeg
from pipersr_build.data.resize import downscale
from pipersr_build.errors import InputError

ALL = [{"kind": kind} for kind in KINDS]
BLUR = {"kind": "blur", "sigma": 1.2, "anisotropic": 0}


def made(*specs: dict[str, Any]) -> Pipeline:
    pipeline = parse(specs)
    assert pipeline is not None
    return pipeline


@given(st.integers(1, 9), st.integers(1, 9), st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 40))
def test_window_mirrors_like_padding(height: int, width: int, top: int, left: int, size: int) -> None:
    rgb = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    padded = np.pad(rgb, ((80, 80), (80, 80), (0, 0)), mode="symmetric")
    want = padded[80 + top : 80 + top + size, 80 + left : 80 + left + 5]
    np.testing.assert_array_equal(window(rgb, (top, left), (size, 5)), want)


def test_steps_come_in_order(photo: NDArray[np.uint8], random: np.random.Generator) -> None:
    hr_first = made(BLUR, {"kind": "jpeg", "quality": 50})
    want = downscale(jpeg(gaussian_blur(photo, (1.2, 1.2)), 50), 2)
    np.testing.assert_array_equal(hr_first.degrade(photo, 2, random), want)
    lr_last = made(BLUR, {"kind": "resize", "probability": 0}, {"kind": "jpeg", "quality": 50})
    want = jpeg(downscale(gaussian_blur(photo, (1.2, 1.2)), 2), 50)
    np.testing.assert_array_equal(lr_last.degrade(photo, 2, random), want)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_probability_zero_is_the_reference_bicubic(photo: NDArray[np.uint8], scale: int) -> None:
    never = made(*({**spec, "probability": 0} for spec in ALL))
    np.testing.assert_array_equal(
        never.degrade(photo, scale, np.random.default_rng(0)), downscale(photo, scale)
    )


def test_probability_is_a_probability(photo: NDArray[np.uint8]) -> None:
    half = made({"kind": "jpeg", "quality": 5, "probability": 0.3})
    plain = downscale(photo, 2)
    random = np.random.default_rng(0)
    same = [np.array_equal(half.degrade(photo, 2, random), plain) for _ in range(200)]
    assert np.mean(same) == pytest.approx(0.7, abs=0.08)


@pytest.mark.parametrize("corner", [(0, 0), (20, 31), (32, 44), (0, 44)])
def test_a_patch_is_a_piece_of_the_degraded_picture(
    photo: NDArray[np.uint8], corner: tuple[int, int]
) -> None:
    """The margin makes it so, in the middle and at the borders."""
    whole = made(BLUR).degrade(photo, 2, np.random.default_rng(0))
    patch = made(BLUR).lr_patch(photo, *corner, 16, 2, np.random.default_rng(1))
    top, left = corner
    off = np.abs(patch.astype(int) - whole[top : top + 16, left : left + 16])
    assert off.max() <= 1  # where the tail of the Gaussian is cut decides on ties of rounding
    assert (off > 0).mean() < 0.02


def test_patches_lie_anywhere_between_the_blocks(photo: NDArray[np.uint8]) -> None:
    coarse = made({"kind": "resize", "probability": 0}, {"kind": "jpeg", "quality": 10})
    patches = {
        coarse.lr_patch(photo, 8, 8, 16, 2, np.random.default_rng(seed)).tobytes() for seed in range(400)
    }
    assert 50 < len(patches) <= 64


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_function_of_its_generator(photo: NDArray[np.uint8], kind: str) -> None:
    step = made({"kind": kind})
    first, again, other = (
        step.lr_patch(photo, 3, 4, 12, 2, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8
    assert first.shape == (12, 12, 3)


def test_all_together_on_a_picture_smaller_than_the_margin(random: np.random.Generator) -> None:
    tiny = random.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert made(*ALL).lr_patch(tiny, 0, 1, 2, 2, random).shape == (2, 2, 3)


def test_nothing_configured_is_nothing() -> None:
    assert parse([]) is None
    assert config.load().data.degradations == []


def test_one_number_stands_for_both_ends() -> None:
    assert made({"kind": "jpeg", "quality": 40}) == made({"kind": "jpeg", "quality": [40, 40]})


@pytest.mark.parametrize(
    ("spec", "key", "fix"),
    [
        ({"kind": "blurr"}, "[1].kind", "choose from blur, resize, noise, jpeg, h264"),
        ({"kind": ["blur"]}, "[1].kind", "choose from"),
        ({"sigma": 1}, "[1]", "give a mapping with a kind"),
        ("jpeg", "[1]", "give a mapping with a kind"),
        ({"kind": "blur", "sigmaa": 1}, "[1].sigmaa", "blur has probability, sigma, anisotropic"),
        ({"kind": "blur", "sigma": [2, 1]}, "[1].sigma", "from ≤ to"),
        ({"kind": "blur", "sigma": float("nan")}, "[1].sigma", "from ≤ to"),
        ({"kind": "blur", "sigma": -1}, "[1].sigma", "0.0 ≤ from"),
        ({"kind": "jpeg", "quality": [1, 2, 3]}, "[1].quality", "a number or [from, to]"),
        ({"kind": "jpeg", "quality": True}, "[1].quality", "a number or [from, to]"),
        ({"kind": "jpeg", "quality": "high"}, "[1].quality", "a number or [from, to]"),
        ({"kind": "jpeg", "quality": 101}, "[1].quality", "to ≤ 100"),
        ({"kind": "jpeg", "quality": [1.5, 3]}, "[1].quality", "integer"),
        ({"kind": "jpeg", "probability": 2}, "[1].probability", "less than or equal to 1"),
        ({"kind": "noise", "distribution": "salt"}, "[1].distribution", "'gaussian' or 'poisson'"),
        ({"kind": "h264", "crf": 52}, "[1].crf", "to ≤ 51"),
        ({"kind": "h264", "motion": -1}, "[1].motion", "greater than or equal to 0"),
        ({"kind": "resize", "filters": []}, "[1].filters", "at least 1 item"),
        ({"kind": "resize", "filters": ["cubic"]}, "[1].filters", "'bicubic'"),
    ],
)
def test_what_is_wrong_is_named(spec: Any, key: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        parse([{"kind": "jpeg"}, spec])
    assert str(caught.value.where) == f"configuration key data.degradations{key}"
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize("specs", ["jpeg", {"kind": "jpeg"}, None, 3])
def test_only_a_list_will_do(specs: Any) -> None:
    with pytest.raises(InputError, match=r"data\.degradations is"):
        parse(specs)


def test_the_configuration_is_checked_when_it_is_read() -> None:
    good = "data.degradations=[{kind: blur, sigma: [0.2, 1.5]}, {kind: jpeg, probability: 0.5}]"
    assert made(*config.load([good]).data.degradations).margin == 8
    with pytest.raises(InputError, match=r"data\.degradations\[0\]\.kind is 'rain'"):
        config.load(["data.degradations=[{kind: rain}]"])
    with pytest.raises(InputError, match=r"data\.resident"):
        config.load([good, "data.resident=true"])
    assert config.load(["data.resident=true"]).data.resident is True
