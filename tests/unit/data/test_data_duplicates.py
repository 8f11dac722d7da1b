import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipersr_build.data.duplicates import MOST_BITS, ORIENTATIONS, Match, find_duplicates
from pipersr_build.data.photos import load_photos

Rgb = NDArray[np.uint8]
PHOTOS = [(photo.name, photo.rgb) for photo in load_photos()]


def resized(rgb: Rgb, factor: float, kind: Image.Resampling = Image.Resampling.BICUBIC) -> Rgb:
    size = round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)
    return np.array(Image.fromarray(rgb).resize(size, kind))


def recompressed(rgb: Rgb, quality: int) -> Rgb:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def trimmed(rgb: Rgb) -> Rgb:
    """3 % of the height off the top, 1 % and 2 % of the width off the sides."""
    height, width = rgb.shape[:2]
    return rgb[height * 3 // 100 :, width // 100 : -(width * 2 // 100)]


PLANTED: dict[str, Callable[[Rgb], Rgb]] = {
    "copy": lambda rgb: rgb,
    "half": lambda rgb: resized(rgb, 0.5),
    "double": lambda rgb: resized(rgb, 2),
    "every third pixel": lambda rgb: resized(rgb, 1 / 3, Image.Resampling.NEAREST),
    "jpeg": lambda rgb: recompressed(rgb, 20),
    "trimmed": trimmed,
    "brighter": lambda rgb: np.clip(rgb * 1.1 + 8, 0, 255).astype(np.uint8),
    "gray": lambda rgb: np.array(Image.fromarray(rgb).convert("L").convert("RGB")),
    "all at once": lambda rgb: recompressed(resized(trimmed(rgb)[:, ::-1], 0.5), 50),
}


@pytest.mark.parametrize("how", PLANTED)
def test_planted_duplicates_are_found_and_nothing_else(how: str) -> None:
    test = [(f"{name} again", np.ascontiguousarray(PLANTED[how](rgb))) for name, rgb in PHOTOS]
    found = find_duplicates(PHOTOS, test)
    assert [(match.train, match.test) for match in found] == [(name, f"{name} again") for name, _ in PHOTOS]
    turned = "mirrored" if how == "all at once" else "as it is"
    assert {match.orientation for match in found} == {turned}
    assert all(match.distance <= MOST_BITS and 0.9 <= match.correlation <= 1.0001 for match in found)


@pytest.mark.parametrize(
    ("turned", "name"),
    [
        (lambda rgb: rgb[:, ::-1], "mirrored"),
        (lambda rgb: rgb[::-1], "upside down"),
        (lambda rgb: np.rot90(rgb, 2), "turned 180°"),
        (lambda rgb: rgb.transpose(1, 0, 2), "transposed"),
        (lambda rgb: np.rot90(rgb, 1), "turned 90° clockwise"),  # to be turned back by that
        (lambda rgb: np.rot90(rgb, -1), "turned 90° anticlockwise"),
        (lambda rgb: np.rot90(rgb.transpose(1, 0, 2), 2), "transposed, turned 180°"),
    ],
)
def test_every_orientation_is_recognised_by_name(turned: Callable[[Rgb], Rgb], name: str) -> None:
    test = [(name, np.ascontiguousarray(turned(rgb))) for name, rgb in PHOTOS]
    found = find_duplicates(PHOTOS, test)
    assert [(match.train, match.test) for match in found] == [(name, name) for name, _ in PHOTOS]
    assert {match.orientation for match in found} == {name}
    assert name in ORIENTATIONS


def test_different_photographs_are_no_duplicates() -> None:
    half = len(PHOTOS) // 2
    assert find_duplicates(PHOTOS[:half], PHOTOS[half:]) == []
    assert find_duplicates(PHOTOS, []) == find_duplicates([], PHOTOS) == []


def test_flat_pictures_raise_no_alarm() -> None:
    random = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 120)[:, None, None]
    flat = {
        f"{name} {number}": np.clip(level + sigma * random.standard_normal((120, 160, 3)), 0, 255).astype(np.uint8)
        for number in range(6)
        for sigma in (0, 2)
        for name, level in ((f"gray {sigma}", 128), (f"sky {sigma}", ramp * (1 if sigma else 0)))
    }  # fmt: skip
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
