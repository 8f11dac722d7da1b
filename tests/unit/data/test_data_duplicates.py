import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipersr_build.data.duplicates import MOST_BITS, ORIENTATIONS, Match, find_duplicates
from pipersr_build.data.photos import load_photos

Rgb = NDArray[np.uint8]
NAMES = ("astronaut", "motorcycle", "coins", "chelsea", "rocket", "gravel")
PHOTOS = [(photo.name, photo.rgb) for photo in load_photos() if photo.name in NAMES]


def resized(rgb: Rgb, factor: float, kind: Image.Resampling = Image.Resampling.BICUBIC) -> Rgb:
    size = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return np.array(Image.fromarray(rgb).resize(size, kind))


def recompressed(rgb: Rgb, quality: int) -> Rgb:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def trimmed(rgb: Rgb, percent: int) -> Rgb:
    """That much of the height off the top, and of the width off the sides together."""
    height, width = rgb.shape[:2]
    return rgb[height * percent // 100 :, width * percent // 300 : -(width * percent * 2 // 300)]


PLANTED: dict[str, Callable[[Rgb], Rgb]] = {
    "copy": lambda rgb: rgb,
    "half": lambda rgb: resized(rgb, 0.5),
    "double": lambda rgb: resized(rgb, 2),
    "every third pixel": lambda rgb: resized(rgb, 1 / 3, Image.Resampling.NEAREST),
    "jpeg": lambda rgb: recompressed(rgb, 20),
    "trimmed a little": lambda rgb: trimmed(rgb, 2),
    "trimmed": lambda rgb: trimmed(rgb, 5),
    "brighter": lambda rgb: np.clip(rgb * 1.1 + 8, 0, 255).astype(np.uint8),
    "gray": lambda rgb: np.array(Image.fromarray(rgb).convert("L").convert("RGB")),
    "all at once": lambda rgb: recompressed(resized(trimmed(rgb, 4)[:, ::-1], 0.5), 50),
}


TURNED: dict[str, Callable[[Rgb], Rgb]] = {
    "as it is": lambda rgb: rgb,
    "mirrored": lambda rgb: rgb[:, ::-1],
    "upside down": lambda rgb: rgb[::-1],
    "turned 180°": lambda rgb: np.rot90(rgb, 2),
    "transposed": lambda rgb: rgb.transpose(1, 0, 2),
    "turned 90° clockwise": lambda rgb: np.rot90(rgb, -1),
    "turned 90° anticlockwise": lambda rgb: np.rot90(rgb, 1),
    "transposed, turned 180°": lambda rgb: np.rot90(rgb.transpose(1, 0, 2), 2),
}


def planted(ways: dict[str, Callable[[Rgb], Rgb]]) -> list[tuple[str, Rgb]]:
    return [
        (f"{how}/{name}", np.ascontiguousarray(do(rgb))) for how, do in ways.items() for name, rgb in PHOTOS
    ]


def test_planted_duplicates_are_found_and_nothing_else() -> None:
    found = find_duplicates(planted(PLANTED), PHOTOS)
    assert {(match.train, match.test) for match in found} == {
        (f"{how}/{name}", name) for how in PLANTED for name, _ in PHOTOS
    }
    assert all(match.distance <= MOST_BITS and 0.92 <= match.correlation <= 1.0001 for match in found)
    mirrored = {match.train.partition("/")[0] for match in found if match.orientation == "mirrored"}
    assert mirrored == {"all at once"}


def test_it_does_not_matter_which_of_the_two_is_trimmed() -> None:
    found = find_duplicates(PHOTOS, [(name, trimmed(rgb, 6)) for name, rgb in PHOTOS])
    assert [(match.train, match.test) for match in found] == [(name, name) for name, _ in PHOTOS]


def test_every_orientation_is_recognised_by_name() -> None:
    found = find_duplicates(planted(TURNED), PHOTOS)
    assert sorted((match.train, match.orientation) for match in found) == sorted(
        (f"{how}/{name}", how) for how in TURNED for name, _ in PHOTOS
    )
    assert set(TURNED) == set(ORIENTATIONS)


def test_different_photographs_are_no_duplicates() -> None:
    half = len(PHOTOS) // 2
    assert find_duplicates(PHOTOS[:half], PHOTOS[half:]) == []
    assert find_duplicates(PHOTOS, []) == find_duplicates([], PHOTOS) == []


def test_flat_pictures_raise_no_alarm() -> None:
    random = np.random.default_rng(0)
    sky = np.linspace(40, 200, 120)[:, None, None]
    flat = {"gray": np.full((120, 160, 3), 128, np.uint8), "same gray": np.full((90, 90, 3), 128, np.uint8)}
    for number in range(6):
        grain = 2 * random.standard_normal((120, 160, 3))
        flat[f"gray {number}"] = np.clip(128 + grain, 0, 255).astype(np.uint8)
        flat[f"sky {number}"] = np.clip(sky + grain, 0, 255).astype(np.uint8)
    found = find_duplicates(flat.items(), flat.items())
    assert [match for match in found if match.train != match.test] == []


def test_pictures_are_read_one_at_a_time() -> None:
    read: list[str] = []

    def stream() -> object:
        for name, rgb in PHOTOS[:3]:
            read.append(name)
            yield name, rgb

    [found] = find_duplicates(stream(), PHOTOS[1:2])  # type: ignore[arg-type]
    assert found == Match(PHOTOS[1][0], PHOTOS[1][0], 0, pytest.approx(1), "as it is")  # type: ignore[arg-type]
    assert read == [name for name, _ in PHOTOS[:3]]


def test_one_test_picture_may_be_many_training_pictures() -> None:
    name, rgb = PHOTOS[0]
    train = [("a", rgb), ("b", resized(rgb, 0.5)), PHOTOS[1]]
    assert [match.train for match in find_duplicates(train, [(name, rgb)])] == ["a", "b"]
