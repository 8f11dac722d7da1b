import numpy as np
import pytest
from numpy.typing import NDArray

from pipersr_build.data.degradations.resize import FILTERS, Resize, reference, resample
from pipersr_build.data.resize import downscale


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_stays_aligned(photo: NDArray[np.uint8], name: str) -> None:
    """A shift by half a pixel would cost far more than the difference between filters."""
    found = resample(photo, (48, 60), name)
    want = downscale(photo, 2)
    shifted = downscale(np.roll(photo, 1, axis=1), 2)
    assert psnr(found, want) > psnr(shifted, want) + 3
    flat = np.full((9, 11, 3), 77, np.uint8)
    assert (resample(flat, (4, 23), name) == 77).all()


def test_the_end_is_the_lr_size_whatever_the_way(photo: NDArray[np.uint8]) -> None:
    seen = set()
    for seed in range(20):
        step = Resize(hops=(0, 3), factor=(0.3, 3))
        lr = step.apply(photo, (48, 60), np.random.default_rng(seed))
        assert lr.shape == (48, 60, 3)
        seen.add(lr.tobytes())
    assert len(seen) == 20


def test_a_way_through_small_sizes_loses_detail(
    photo: NDArray[np.uint8], random: np.random.Generator
) -> None:
    def score(factor: float) -> float:
        step = Resize(hops=(1, 1), factor=(factor, factor), filters=("bicubic",))
        return psnr(step.apply(photo, (48, 60), random), downscale(photo, 2))

    assert score(2) > score(0.7) > score(0.3)


def test_without_the_chain_it_is_the_reference(photo: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(Resize().skip(photo, (48, 60)), downscale(photo, 2))
    lr = downscale(photo, 2)
    assert reference(lr, (48, 60)) is lr


def test_reach_covers_the_widest_filter_at_the_smallest_size() -> None:
    assert Resize(factor=(0.5, 2), filters=("box",)).reach == 2
    assert Resize(factor=(0.5, 2)).reach == 6
    assert Resize(factor=(1, 2)).reach == 3
