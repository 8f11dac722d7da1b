import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipersr_build.data.degradations import Pipeline, parse
from pipersr_build.data.pictures import Pair, Picture, make_pair
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.errors import InputError

PICTURES = [
    Picture(f"p{index}", np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8))
    for index, shape in enumerate([(24, 31, 3), (12, 12, 3), (40, 16, 3)])
]


def sampler(batch: int = 8, seed: int = 3, scale: int = 2, patch: int = 5) -> PatchSampler:
    return PatchSampler(PICTURES, patch, scale, batch, seed)


def orientations(patch: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [turned for k in range(4) for turned in (np.rot90(patch, k), np.rot90(patch, k)[:, ::-1])]


def digest(step: int) -> str:
    lr, hr = sampler().batch(step)
    return hashlib.sha256(lr.numpy().tobytes() + hr.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize(("scale", "unit"), [(2, 1), (3, 1), (1.5, 2)])
def test_patches_are_aligned(scale: float, unit: int) -> None:
    made = PatchSampler(PICTURES, 4, scale, 60, 0)
    places: dict[bytes, NDArray[np.uint8]] = {}
    for small, large in zip(made.lr, made.hr, strict=True):
        height, width = small.shape[:2]
        for top in range(0, height - 3, unit):
            for left in range(0, width - 3, unit):
                rows, columns = ([int(n * scale) for n in (place, place + 4)] for place in (top, left))
                hr = large[slice(*rows), slice(*columns)]
                lr = small[top : top + 4, left : left + 4]
                for turned_lr, turned_hr in zip(orientations(lr), orientations(hr), strict=True):
                    places[turned_lr.tobytes()] = turned_hr
    lr_batch, hr_batch = (
        (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy() for x in made.batch(0)
    )
    for lr, hr in zip(lr_batch, hr_batch, strict=True):
        np.testing.assert_array_equal(places[lr.tobytes()], hr)


def test_at_one_and_a_half_patches_are_even() -> None:
    with pytest.raises(InputError, match="the patch is 5"):
        PatchSampler(PICTURES, 5, 1.5, 4, 0)
    with pytest.raises(InputError, match="the patch is 3"):
        PatchSampler(PICTURES, 4, 1.5, 4, 0).resized(3, 2)


def test_every_orientation_occurs() -> None:
    one = Picture("one", PICTURES[0].rgb[:10, :10])
    made = PatchSampler([one], 5, 2, 100, 0)  # one corner only: what varies is the orientation
    assert len({patch.numpy().tobytes() for patch in made.batch(0)[0]}) == 8


def test_shapes_range_and_type() -> None:
    lr, hr = sampler(batch=6).batch(0)
    assert (lr.shape, hr.shape) == ((6, 3, 5, 5), (6, 3, 10, 10))
    for x in (lr, hr):
        assert x.dtype == torch.float32
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert 0 <= float(x.min()) < 0.3 < 0.7 < float(x.max()) <= 1
        assert torch.equal((x * 255).round() / 255, x)


@given(st.integers(0, 10**9), st.integers(0, 5))
def test_a_batch_is_a_function_of_seed_step_and_rank(step: int, rank: int) -> None:
    made = sampler()
    made.batch(step + 1, rank, 6)  # no state is left behind
    lr, hr = made.batch(step, rank, 6)
    again = sampler().batch(step, rank, world=rank + 1)
    assert torch.equal(lr, again[0])
    assert torch.equal(hr, again[1])
    for other in (
        made.batch(step + 1, rank, 6),
        made.batch(step, (rank + 1) % 6, 6),
        sampler(seed=4).batch(step, rank, 6),
    ):
        assert not torch.equal(lr, other[0])


@pytest.mark.parametrize("degrade", [None, parse([{"kind": "blur"}, {"kind": "noise"}])])
@pytest.mark.parametrize("world", [2, 4, 16])
def test_any_number_of_processes_sees_the_same_global_batch(world: int, degrade: Pipeline | None) -> None:
    one = PatchSampler(PICTURES, 4, 2, 16, 3, degrade=degrade)
    many = one.resized(4, 16 // world)
    for step in (0, 7):
        parts = [many.batch(step, rank, world) for rank in range(world)]
        for whole, pieces in zip(one.batch(step), zip(*parts, strict=True), strict=True):
            assert torch.equal(whole, torch.cat(pieces))


def test_resized_shares_the_pictures_and_checks_them() -> None:
    made = sampler(patch=4)
    other = made.resized(6, 3)
    assert other.lr is made.lr
    assert other.hr is made.hr
    assert [tuple(x.shape) for x in other.batch(5)] == [(3, 3, 6, 6), (3, 3, 12, 12)]
    assert (made.patch_lr, made.batch_size) == (4, 8)
    fresh = PatchSampler(PICTURES, 6, 2, 3, made.seed)
    assert all(torch.equal(a, b) for a, b in zip(other.batch(5), fresh.batch(5), strict=True))
    with pytest.raises(InputError, match="a patch needs 14x14"):
        made.resized(7, 8)
    for bad in ((0, 1), (4, 0)):
        with pytest.raises(InputError, match="is 0"):
            made.resized(*bad)


def test_ready_pairs_are_taken_as_they_are() -> None:
    pairs = [make_pair(picture, 2) for picture in PICTURES]
    given, made = PatchSampler(pairs, 5, 2, 8, 3), sampler()
    assert all(torch.equal(a, b) for a, b in zip(given.batch(1), made.batch(1), strict=True))
    dark = [Pair(pair.name, np.zeros_like(pair.lr), pair.hr) for pair in pairs]
    lr, hr = PatchSampler(dark, 5, 2, 8, 3).batch(1)
    assert not lr.any()
    assert torch.equal(hr, made.batch(1)[1])


def test_read_only_pictures_of_a_file_will_do(tmp_path: Path) -> None:
    pairs = [make_pair(picture, 2) for picture in PICTURES]
    for pair in pairs:
        np.concatenate([pair.lr.ravel(), pair.hr.ravel()]).tofile(tmp_path / pair.name)
    mapped = []
    for pair in pairs:
        flat = np.memmap(tmp_path / pair.name, np.uint8, "r")
        lr, hr = np.split(flat, [pair.lr.size])
        mapped.append(Pair(pair.name, lr.reshape(pair.lr.shape), hr.reshape(pair.hr.shape)))
    given = PatchSampler(mapped, 5, 2, 8, 3)
    assert np.shares_memory(given.hr[0], mapped[0].hr)
    assert all(torch.equal(a, b) for a, b in zip(given.batch(1), sampler().batch(1), strict=True))


def test_pairs_of_another_scale_are_named() -> None:
    pairs = [make_pair(PICTURES[0], 2), make_pair(PICTURES[1], 3)]
    with pytest.raises(InputError, match="12x12 pixels, not 2 times the LR's 4x4") as caught:
        PatchSampler(pairs, 4, 2, 1, 0)
    assert caught.value.where == "p1"


def test_emphasis_chooses() -> None:
    made = PatchSampler(PICTURES, 5, 2, 300, 0, emphasis=[0, 1, 0])
    assert set(made.places(0).picture.tolist()) == {1}
    with pytest.raises(InputError, match="emphasis of the picture is -2"):
        PatchSampler(PICTURES, 5, 2, 8, 0, emphasis=[1, -2, 1])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_degradations_without_steps_give_the_reference_bicubic(scale: int) -> None:
    made = PatchSampler(PICTURES, 3, scale, 40, 1, degrade=Pipeline(()))
    assert not made.lr  # nothing is made beforehand
    for a, b in zip(made.batch(0), PatchSampler(PICTURES, 3, scale, 40, 1).batch(0), strict=True):
        assert torch.equal(a, b)


def test_degradations_change_lr_patches_only_and_repeatably() -> None:
    degrade = parse([{"kind": "blur"}, {"kind": "jpeg"}, {"kind": "noise", "sigma": 5}])
    made = PatchSampler(PICTURES, 5, 2, 8, 3, degrade=degrade)
    (lr, hr), plain = made.batch(4), sampler().batch(4)
    assert torch.equal(hr, plain[1])
    assert lr.shape == plain[0].shape
    assert not torch.equal(lr, plain[0])
    again = PatchSampler(PICTURES, 5, 2, 8, 3, degrade=degrade)
    again.batch(3)
    assert torch.equal(again.batch(4)[0], lr)
    assert not torch.equal(PatchSampler(PICTURES, 5, 2, 8, 4, degrade=degrade).batch(4)[0], lr)


def test_another_process_draws_the_same() -> None:
    code = "import test_data_sampler; print(test_data_sampler.digest(12345))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rpartition("/")[0],
    )
    assert result.stdout.strip() == digest(12345)


def test_pictures_are_chosen_by_area() -> None:
    flat = [
        Picture("big", np.full((30, 30, 3), 10, np.uint8)),
        Picture("small", np.full((10, 10, 3), 20, np.uint8)),
    ]
    made = PatchSampler(flat, 5, 2, 5000, 0)
    share = (made.batch(0)[0][:, 0, 0, 0] * 255 < 15).float().mean()
    assert float(share) == pytest.approx(0.9, abs=0.015)


def test_the_last_pixel_of_a_picture_is_its_own() -> None:
    pixels = [Picture(str(value), np.full((1, 1, 3), value, np.uint8)) for value in (0, 255)]
    assert float(PatchSampler(pixels, 1, 1, 2000, 0).batch(0)[0].mean()) == pytest.approx(0.5, abs=0.05)


def test_every_corner_is_reached() -> None:
    ramp = np.zeros((12, 12, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(12)[:, None] * 20, np.arange(12)[None] * 20
    made = PatchSampler([Picture("ramp", ramp)], 4, 1, 4000, 0)
    means = {tuple(patch[:2].mean((1, 2)).mul(255).round().int().tolist()) for patch in made.batch(0)[1]}
    assert len(means) == 9 * 9


def test_a_picture_of_just_the_patch_fits_and_a_smaller_one_is_named() -> None:
    assert sampler(patch=6).minimum == 12
    sampler(patch=6).batch(0)
    with pytest.raises(InputError, match="the picture has 12x12 pixels, a patch needs 14x14") as caught:
        sampler(patch=7)
    assert caught.value.where == "p1"


@pytest.mark.parametrize("bad", [{"batch": 0}, {"patch": 0}, {"scale": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"the {next(iter(bad))} is"):
        sampler(**bad)
    with pytest.raises(InputError, match="no pictures"):
        PatchSampler([], 4, 2, 1, 0)


@pytest.mark.parametrize(("step", "rank", "world"), [(-1, 0, 1), (0, 1, 1), (0, -1, 1)])
def test_impossible_steps_and_ranks(step: int, rank: int, world: int) -> None:
    with pytest.raises(ValueError, match="rank"):
        sampler().batch(step, rank, world)
