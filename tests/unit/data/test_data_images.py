import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from pipersr_build.data.images import EXTENSIONS, list_images, load_rgb, save_png
from pipersr_build.errors import InputError

SAMPLES = np.array([0, 128, 129, 255, 256, 257, 385, 386, 30000, 65279, 65407, 65535], np.uint16)


def png16(samples: NDArray[np.uint16], colour_type: int, extra: bytes = b"") -> bytes:
    """A 16-bit PNG, which Pillow cannot write in colour."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def rounded(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return np.round(samples.astype(np.float64) / 257).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True})]
)
def test_reads_what_was_written(
    tmp_path: Path, noise: NDArray[np.uint8], kind: str, options: dict[str, Any]
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encoded(Image.fromarray(noise), kind, **options))
    read = load_rgb(path)
    np.testing.assert_array_equal(read, noise)
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    assert read.flags.writeable


def test_gray_is_replicated_and_other_modes_are_converted(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    image = Image.fromarray(noise)
    for mode in ("1", "L", "P", "LA", "RGBA"):
        image.convert(mode).save(tmp_path / "a.png")
        np.testing.assert_array_equal(
            load_rgb(tmp_path / "a.png"), np.array(image.convert(mode).convert("RGB"))
        )
    for mode in ("L", "CMYK"):
        image.convert(mode).save(tmp_path / "a.tif")
        np.testing.assert_array_equal(
            load_rgb(tmp_path / "a.tif"), np.array(image.convert(mode).convert("RGB"))
        )


def test_16_bit_samples_are_rounded_not_cut(tmp_path: Path) -> None:
    gray = SAMPLES.reshape(3, 4)
    colour = np.stack([gray, gray[::-1], gray[:, ::-1]], axis=-1)
    opaque = np.concatenate([colour, np.full((3, 4, 1), 65535, np.uint16)], axis=-1)
    path = tmp_path / "a.png"
    for samples, colour_type in ((gray, 0), (colour, 2), (opaque, 6)):
        path.write_bytes(png16(samples, colour_type))
        want = rounded(samples)[..., :3] if samples.ndim == 3 else rounded(samples)[..., None]
        np.testing.assert_array_equal(load_rgb(path), np.broadcast_to(want, (3, 4, 3)))


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_16_bit_tiff_in_every_byte_order(tmp_path: Path, options: dict[str, Any]) -> None:
    tifffile = pytest.importorskip("tifffile")
    colour = np.random.default_rng(0).integers(0, 65536, (20, 31, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", **options)
    np.testing.assert_array_equal(load_rgb(tmp_path / "a.tif"), rounded(colour))
    tifffile.imwrite(tmp_path / "a.tif", colour[..., 0], **options)
    np.testing.assert_array_equal(load_rgb(tmp_path / "a.tif")[..., 1], rounded(colour[..., 0]))


@pytest.mark.parametrize("options", [{"planarconfig": "separate"}, {"photometric": "miniswhite"}])
def test_16_bit_layouts_that_would_come_out_wrong_are_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    tifffile = pytest.importorskip("tifffile")
    shape = (3, 20, 31) if "planarconfig" in options else (20, 31)
    options = {"photometric": "rgb"} | options
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint16), **options)
    with pytest.raises(InputError, match="unusual TIFF layout with 16 bits"):
        load_rgb(tmp_path / "a.tif")


def test_16_bit_gray_with_alpha_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png16(np.full((2, 2, 2), 65535, np.uint16), 4))
    with pytest.raises(InputError, match="16-bit samples in an unusual layout"):
        load_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    image = Image.fromarray(np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a"
    path.write_bytes(
        encoded(image, kind, exif=exif.tobytes(), **({"lossless": True} if kind == "WEBP" else {}))
    )
    with Image.open(path) as stored:
        want = np.array(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(load_rgb(path), want)
    assert want.shape[0] == (16 if orientation > 4 else 8)


def see_through() -> dict[str, bytes]:
    alpha = np.full((4, 4), 255, np.uint8)
    alpha[1, 2] = 254
    rgba = Image.fromarray(np.dstack([np.zeros((4, 4, 3), np.uint8), alpha]))
    black = Image.new("RGB", (4, 4))
    key16 = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    keyed = np.zeros((2, 2, 3), np.uint16)
    keyed[1, 1] = (1, 2, 3)
    return {
        "rgba": encoded(rgba, "PNG"),
        "webp": encoded(rgba, "WEBP", lossless=True, exact=True),
        "la": encoded(rgba.convert("LA"), "PNG"),
        "palette": encoded(black.quantize(4), "PNG", transparency=0),
        "key": encoded(black, "PNG", transparency=(0, 0, 0)),
        "key16": png16(keyed, 2, key16),
        "gray key16": png16(np.full((2, 2), 7, np.uint16), 0, chunk(b"tRNS", struct.pack(">H", 7))),
    }


@pytest.mark.parametrize("name", see_through())
def test_see_through_pixels_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(see_through()[name])
    with pytest.raises(InputError, match="see-through pixels") as caught:
        load_rgb(tmp_path / "a.png")
    assert caught.value.where == str(tmp_path / "a.png")
    assert "flatten" in str(caught.value.fix)


def test_transparency_that_no_pixel_uses_is_dropped(tmp_path: Path) -> None:
    white = Image.new("RGB", (4, 4), "white")
    unused = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    for data in (
        encoded(white, "PNG", transparency=(0, 0, 0)),
        encoded(white.quantize(4), "PNG", transparency=bytes([255])),
        png16(np.full((4, 4, 3), 65535, np.uint16), 2, unused),
    ):
        (tmp_path / "a.png").write_bytes(data)
        assert load_rgb(tmp_path / "a.png").min() == 255


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", {}),
    ],
)
def test_a_file_that_ends_too_early_is_never_accepted_in_part(
    tmp_path: Path,
    noise: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    options: dict[str, Any],
    lenient: bool,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    data = encoded(Image.fromarray(noise), kind, **options)
    path = tmp_path / "a"
    path.write_bytes(data)
    whole = load_rgb(path)
    for length in [*range(1, len(data), 61), len(data) - 30, len(data) - 2]:
        path.write_bytes(data[:length])
        try:
            read = load_rgb(path)
        except InputError:
            continue
        np.testing.assert_array_equal(read, whole)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"damaged|not a PNG"):
        load_rgb(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


def test_damaged_bytes_are_reported_not_raised(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    random = np.random.default_rng(1)
    path = tmp_path / "a"
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        data = encoded(Image.fromarray(noise), kind)
        for _ in range(40):
            damaged = bytearray(data)
            for place in random.integers(len(data), size=3):
                damaged[place] = random.integers(256)
            path.write_bytes(damaged)
            with contextlib.suppress(InputError):
                assert load_rgb(path).dtype == np.uint8


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "gif.png").write_bytes(encoded(Image.new("P", (4, 4)), "GIF"))
    for name, what in (
        ("missing.png", "no such image"),
        ("text.png/below.png", "no such image"),
        (".", "a folder where an image is needed"),
        ("empty.png", "the image file is empty"),
        ("text.png", "not a PNG, JPEG, WebP, TIFF or BMP image"),
        ("gif.png", "not a PNG, JPEG, WebP, TIFF or BMP image"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            load_rgb(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.fix


@pytest.mark.parametrize("limit", [100, 30])
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    save_png(tmp_path / "a.png", np.zeros((11, 10, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # Pillow warns above, raises above the double
    with pytest.raises(InputError, match=f"more than {limit} pixels"):
        load_rgb(tmp_path / "a.png")


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "red")
    for kind in ("TIFF", "WEBP", "PNG"):
        (tmp_path / "a").write_bytes(encoded(first, kind, save_all=True, append_images=[second]))
        with pytest.raises(InputError, match="several pictures"):
            load_rgb(tmp_path / "a")


def test_the_photograph_of_a_phones_jpeg_is_the_first_picture(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "red")
    (tmp_path / "a.jpg").write_bytes(encoded(first, "MPO", save_all=True, append_images=[second]))
    assert load_rgb(tmp_path / "a.jpg").max() == 0


def test_float_samples_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no defined white"):
        load_rgb(tmp_path / "a.tif")


def test_save_png_round_trip_replaces_the_old_file(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    path = tmp_path / "new" / "a.png"
    save_png(path, noise)
    save_png(path, noise[:, ::-1])
    np.testing.assert_array_equal(load_rgb(path), noise[:, ::-1])
    assert os.listdir(path.parent) == ["a.png"]  # noqa: PTH208


def test_save_png_refuses_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        save_png(tmp_path / "file" / "a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="expected uint8"):
        save_png(tmp_path / "a.png", np.zeros((2, 2, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        save_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    assert not (tmp_path / "a.png").exists()


def test_list_images_is_sorted_and_recursive(tmp_path: Path) -> None:
    names = ["b/c.JPG", "a.png", "b/a.tiff", "c.webp", "z.bmp", "b/d/e.jpeg", "y.tif", "x.jpg"]
    for name in [*names, ".hidden.png", "b/.git/f.png", "notes.txt", "png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_images(tmp_path) == sorted(tmp_path / name for name in names)


def test_list_images_enters_linked_folders_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(corpus)
    assert list_images(corpus) == [corpus / "link" / "a.png"]


def test_list_images_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no such folder"):
        list_images(tmp_path / "missing")
    with pytest.raises(InputError, match="not a folder"):
        list_images(tmp_path / "file")
    with pytest.raises(InputError, match="holds no images") as caught:
        list_images(tmp_path)
    assert all(extension in str(caught.value) for extension in EXTENSIONS)


def test_list_images_refuses_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "é.png").touch()
    assert list_images(tmp_path) == [tmp_path / "é.png"]
    try:
        (tmp_path / os.fsdecode(b"a\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    with pytest.raises(InputError, match=r"not UTF-8: '.*a\\udcff\.png'") as caught:
        list_images(tmp_path)
    assert "rename" in str(caught.value)
