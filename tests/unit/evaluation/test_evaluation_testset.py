import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipersr_build.data.images import save_png
from pipersr_build.data.pictures import Picture, make_pair
from pipersr_build.data.resize import downscale, upscale_bicubic
from pipersr_build.errors import InputError
from pipersr_build.evaluation.testset import (
    bicubic,
    evaluate,
    evaluate_under,
    find_test_sets,
    load_folders,
    load_test_set,
)
from pipersr_build.evidence import Quality


@pytest.fixture
def folder(tmp_path: Path, noise: NDArray[np.uint8]) -> Path:
    for name, hr in (("a", noise), ("b", noise[::-1]), ("sub/c", noise[:, :30])):
        save_png(tmp_path / "set" / "HR" / f"{name}.png", hr)
        save_png(tmp_path / "set" / "LRx2" / f"{name}.png", downscale(hr, 2))
    return tmp_path / "set"


@pytest.mark.parametrize(
    ("name", "psnr", "ssim"),
    [("Set5", 33.673, 0.9303), ("Set14", 30.325, 0.8699), ("BSD100", 29.560, 0.8434)],
)
def test_bicubic_gives_the_protocols_numbers(shared_data: Path, name: str, psnr: float, ssim: float) -> None:
    test_set = load_test_set(shared_data / "test" / name, 2)
    assert test_set.lr == "shipped"
    quality = evaluate(bicubic(2), test_set.pictures, "y_float", 2, "bicubic", test_set.name)
    assert quality.mean_psnr == pytest.approx(psnr, abs=0.001)
    assert quality.mean_ssim == pytest.approx(ssim, abs=0.0001)


def test_rounded_luma_reads_lower_on_set5(shared_data: Path) -> None:
    pictures = load_test_set(shared_data / "test" / "Set5", 2).pictures
    exact, rounded = (
        evaluate(bicubic(2), pictures, name, 2, "bicubic", "Set5").mean_psnr
        for name in ("y_float", "y_uint8")
    )
    assert 0 < exact - rounded < 0.08


def test_shipped_and_made_small_pictures(folder: Path) -> None:
    shipped = load_test_set(folder, 2)
    assert (shipped.name, shipped.lr, shipped.scale) == ("set", "shipped", 2)
    assert [pair.name for pair in shipped.pictures] == ["a", "b", "sub/c"]
    made = load_test_set(folder / "HR", 2, name="mine")
    assert (made.name, made.lr) == ("mine", "made")
    for a, b in zip(shipped.pictures, made.pictures, strict=True):
        np.testing.assert_array_equal(a.lr, b.lr)
        np.testing.assert_array_equal(a.hr, b.hr)
    third = load_test_set(folder, 3)  # there is LRx2 but no LRx3
    assert third.lr == "made"
    assert third.pictures[0].hr.shape == (30, 42, 3)
    assert third.pictures[0].lr.shape == (10, 14, 3)


def test_true_pictures_are_cropped_to_a_multiple(folder: Path) -> None:
    save_png(folder / "HR" / "a.png", np.zeros((31, 45, 3), np.uint8))
    assert load_test_set(folder, 2).pictures[0].hr.shape == (30, 44, 3)


def test_pictures_without_partner_are_named(folder: Path) -> None:
    (folder / "LRx2" / "b.png").unlink()
    with pytest.raises(InputError, match=r"no partner of the same name in .*LRx2") as caught:
        load_test_set(folder, 2)
    assert caught.value.where == str(folder / "HR" / "b.png")
    (folder / "HR" / "b.png").unlink()
    (folder / "HR" / "a.png").unlink()
    with pytest.raises(InputError, match="no partner of the same name in the HR folder") as caught:
        load_test_set(folder, 2)
    assert caught.value.where == str(folder / "LRx2" / "a.png")


def test_sizes_that_do_not_fit_are_named(folder: Path) -> None:
    save_png(folder / "HR" / "b.png", np.zeros((32, 44, 3), np.uint8))
    with pytest.raises(
        InputError, match=r"the true picture has 44x32 pixels .* not 2 times the small one's 22x15"
    ) as caught:
        load_test_set(folder, 2)
    assert caught.value.where == str(folder / "HR" / "b.png")


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    (folder / "HR" / "a.bmp").write_bytes((folder / "HR" / "a.png").read_bytes())
    with pytest.raises(InputError, match=r"two images are called a: a\.bmp and a\.png"):
        load_test_set(folder, 2)


def test_missing_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "HR").rename(tmp_path / "HR")
    with pytest.raises(InputError, match="no HR folder"):
        load_test_set(folder, 2)
    with pytest.raises(InputError, match="no such folder"):
        load_test_set(tmp_path / "missing", 2)
    (folder / "LRx2").rename(tmp_path / "LR")
    with pytest.raises(InputError, match="holds no images"):
        load_test_set(folder, 2)


def test_evaluate_makes_a_record(noise: NDArray[np.uint8]) -> None:
    pairs = [make_pair(Picture(name, rgb), 2) for name, rgb in (("a", noise), ("b", noise[:, ::-1]))]
    seen: list[tuple[int, int, str]] = []
    quality = evaluate(
        bicubic(2), pairs, "rgb_uint8", 2, "bicubic", "pair", lambda *progress: seen.append(progress)
    )
    assert (quality.subject, quality.dataset, quality.protocol, quality.scale) == (
        "bicubic",
        "pair",
        "rgb_uint8",
        2,
    )
    assert seen == [(1, 2, "a"), (2, 2, "b")]
    a, b = quality.images
    assert quality.mean_psnr == pytest.approx((a.psnr + b.psnr) / 2)
    assert quality.mean_ssim == pytest.approx((a.ssim + b.ssim) / 2)
    assert Quality.model_validate_json(quality.model_dump_json()) == quality


def test_a_perfect_method_scores_infinity_and_can_be_stored(noise: NDArray[np.uint8]) -> None:
    pair = make_pair(Picture("a", noise), 2)
    quality = evaluate(lambda _: pair.hr, [pair], "y_float", 2, "truth", "one")
    assert quality.mean_psnr == math.inf
    assert Quality.model_validate_json(quality.model_dump_json()).mean_psnr == math.inf


def test_wrong_results_and_empty_sets_are_refused(noise: NDArray[np.uint8]) -> None:
    pair = make_pair(Picture("a", noise), 2)
    with pytest.raises(InputError, match="the picture has 22x15 pixels, the truth 44x30") as caught:
        evaluate(lambda lr: lr, [pair], "y_float", 2, "nothing", "one")
    assert caught.value.where == "a"
    with pytest.raises(InputError, match="no pictures"):
        evaluate(bicubic(2), [], "y_float", 2, "bicubic", "none")
    with pytest.raises(InputError, match="unknown protocol"):
        evaluate(bicubic(2), [pair], "psnr", 2, "bicubic", "one")


def test_bicubic_is_the_resize_rooms(noise: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(bicubic(2)(noise), upscale_bicubic(noise, 2))


def test_protocols_share_one_enlargement(noise: NDArray[np.uint8]) -> None:
    pair = make_pair(Picture("a", noise), 2)
    calls: list[int] = []

    def upscale(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        calls.append(1)
        return upscale_bicubic(lr, 2)

    names = ["rgb_uint8", "y_float"]
    rows = evaluate_under(upscale, [pair], names, 2, "bicubic", "one")
    assert [row.protocol for row in rows] == names
    assert len(calls) == 1
    assert rows == [evaluate(upscale, [pair], name, 2, "bicubic", "one") for name in names]


def test_sets_inside_a_folder_are_found(folder: Path, tmp_path: Path) -> None:
    assert find_test_sets(folder) == [folder]
    save_png(tmp_path / "another" / "HR" / "a.png", np.zeros((30, 30, 3), np.uint8))
    assert find_test_sets(tmp_path) == [tmp_path / "another", folder]
    assert find_test_sets(folder / "HR") == [folder / "HR"]
    assert find_test_sets(folder / "LRx2") == [folder / "LRx2"]
    (folder / "HR").rename(tmp_path / "HR")
    assert find_test_sets(folder) == [folder]  # small pictures alone are refused when they are read


def test_two_folders_are_a_test_set(folder: Path) -> None:
    for path in list((folder / "LRx2").rglob("*.png")):
        path.rename(path.with_name(f"{path.stem}x2.png"))  # as DIV2K calls them
    (folder / "LRx2").rename(folder / "small")
    seen: list[tuple[int, int, str]] = []
    read = load_folders(folder / "HR", folder / "small", 2, progress=lambda *p: seen.append(p))
    assert (read.name, read.lr) == ("set", "shipped")
    assert seen == [(1, 3, "a"), (2, 3, "b"), (3, 3, "sub/c")]
    made = load_folders(folder / "HR", None, 2, name="n")
    assert (made.name, made.lr) == ("n", "made")
    for a, b in zip(read.pictures, made.pictures, strict=True):
        np.testing.assert_array_equal(a.lr, b.lr)
    (folder / "small" / "a.png").write_bytes((folder / "small" / "ax2.png").read_bytes())
    with pytest.raises(InputError, match=r"two small images are for a: a\.png and ax2\.png") as caught:
        load_folders(folder / "HR", folder / "small", 2)
    assert caught.value.where == str(folder / "small")


def test_another_scale_than_the_small_pictures_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="not 3 times the small one's 22x15") as caught:
        load_folders(folder / "HR", folder / "LRx2", 3)
    assert "subject of its scale" in str(caught.value.fix)


@pytest.mark.parametrize("size", [(14, 40), (40, 14), (1, 1)])
def test_a_picture_too_small_for_the_protocols_is_named_by_its_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    save_png(folder / "HR" / "b.png", np.zeros((*size, 3), np.uint8))
    monkeypatch.chdir(folder.parent)
    with pytest.raises(InputError, match="pixels") as caught:
        load_test_set(Path("set/HR"), 2)
    assert caught.value.where == "set/HR/b.png"
    save_png(folder / "HR" / "b.png", np.zeros((15, 15, 3), np.uint8))
    with pytest.raises(InputError, match="14x14 pixels, the protocols need 15x15 at 2x"):
        load_test_set(Path("set/HR"), 2)
    save_png(folder / "HR" / "b.png", np.zeros((16, 16, 3), np.uint8))
    assert load_test_set(Path("set/HR"), 2).pictures[1].lr.shape == (8, 8, 3)
