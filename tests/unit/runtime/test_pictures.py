import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from pipersr_build.errors import InputError
from pipersr_build.runtime import pictures
from pipersr_build.runtime.pictures import Picture, check_format, format_of, read_picture, write_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def saved(image, name="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=name, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
@pytest.mark.parametrize(
    ("ending", "dtype"), [("png", np.uint8), ("png", np.uint16), ("tif", np.uint8), ("tiff", np.uint16)]
)
def test_lossless_formats_give_back_every_sample(tmp_path, channels, ending, dtype):
    picture, target = (
        Picture(noise((13, 17, *channels), dtype), icc=PROFILE, dpi=(300, 150)),
        tmp_path / f"a.{ending}",
    )
    write_picture(target, picture)
    found = read_picture(target)
    assert found.samples.dtype == dtype
    assert np.array_equal(found.samples, picture.samples)
    assert found.icc == PROFILE
    assert found.dpi == pytest.approx((300, 150), abs=0.02)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_files_of_16_bits_hold_them_for_other_readers_too(tmp_path):
    import av

    picture = Picture(noise((40, 50, 3), np.uint16))
    write_picture(tmp_path / "a.png", picture)
    with av.open(tmp_path / "a.png") as container:
        decoded = next(container.decode(video=0))
        assert np.array_equal(
            decoded.to_ndarray(format="rgb48be", threads=1).astype(np.uint16), picture.samples
        )


def test_a_tiff_with_alpha_that_is_cut_off_is_damaged():
    file = io.BytesIO()
    tifffile.imwrite(file, noise((20, 30, 2), np.uint16), photometric="minisblack", planarconfig="contig",
                     extrasamples=["unassalpha"])  # fmt: skip
    with pytest.raises(InputError, match="damaged"):
        read_picture(io.BytesIO(file.getvalue()[:-500]))


def test_a_stream_that_takes_a_little_at_a_time_gets_all():
    class Unbuffered(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data)[:100])

    samples = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    stream = Unbuffered()
    write_picture(stream, Picture(samples))
    assert np.array_equal(read_picture(stream).samples, samples)


def test_formats_of_8_bits_get_the_rounded_samples(tmp_path):
    write_picture(tmp_path / "a.webp", Picture(np.full((4, 5, 3), 32767 + 100, np.uint16)))
    assert (read_picture(tmp_path / "a.webp").samples == 128).all()


def test_jpeg_has_the_quality_that_is_asked_for(tmp_path):
    picture = Picture(noise((64, 64, 3)))
    for quality in (50, 98):
        write_picture(tmp_path / f"{quality}.jpg", picture, quality=quality)
    assert (tmp_path / "50.jpg").stat().st_size < (tmp_path / "98.jpg").stat().st_size / 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_are_turned_upright_once(tmp_path, orientation, dtype):
    upright, exif = noise((6, 9, 3), dtype), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Maker"
    lying = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    write_picture(tmp_path / "a.png", Picture(lying, exif=exif.tobytes(), dpi=(100, 200)))
    found = read_picture(tmp_path / "a.png")
    assert np.array_equal(found.samples, upright)
    assert found.dpi == pytest.approx((200, 100) if orientation > 4 else (100, 200), abs=0.02)
    write_picture(tmp_path / "b.png", found)
    assert np.array_equal(read_picture(tmp_path / "b.png").samples, upright)
    with Image.open(tmp_path / "b.png") as again:
        assert again.getexif()[ExifTags.Base.Make] == "Maker"


def test_exif_of_the_photograph_is_kept_and_that_of_the_file_is_not():
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 8
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    picture = read_picture(saved(Image.new("RGB", (8, 8)), "JPEG", exif=exif.tobytes()))
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[ExifTags.Base.Model] == "Camera"
    assert kept.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 400}
    assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("1", (6, 8)), ("L", (6, 8)), ("LA", (6, 8, 2)), ("P", (6, 8, 3)), ("RGBA", (6, 8, 4))],
)
def test_modes(mode, shape):
    image = Image.fromarray(noise((6, 8, 4))).convert("RGB" if mode == "P" else "RGBA").convert(mode)
    picture = read_picture(saved(image))
    assert picture.samples.shape == shape
    expected = np.asarray(image.convert({2: "L", 3: "RGB"}.get(len(shape), mode) if mode in "1P" else mode))
    assert np.array_equal(picture.samples, expected)


def test_palettes_with_see_through_entries_have_alpha():
    image = Image.fromarray(noise((6, 8), np.uint8) % 4, mode=None).convert("P")
    picture = read_picture(saved(image, transparency=2))
    assert picture.samples.shape == (6, 8, 4)
    assert np.array_equal(picture.samples[..., 3] == 0, np.asarray(image) == 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_colour_that_is_declared_see_through_becomes_alpha(dtype):
    gray = noise((6, 8), dtype) % 5
    picture = read_picture(saved(Image.fromarray(gray), transparency=3))
    assert picture.samples.shape == (6, 8, 2)
    assert np.array_equal(picture.samples[..., 0], gray)
    assert np.array_equal(picture.samples[..., 1] == 0, gray == 3)


def test_cmyk_becomes_rgb_without_its_profile():
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    picture = read_picture(saved(image, "TIFF", icc_profile=b"not a profile"))
    assert picture.samples.shape == (4, 4, 3)
    assert picture.samples[0, 0, 0] < picture.samples[0, 0, 2]
    assert picture.icc is None


@pytest.mark.parametrize("name", ["GIF", "PDF"])
def test_other_formats_are_refused(name):
    with pytest.raises(InputError, match="not a PNG"):
        read_picture(saved(Image.new("RGB", (8, 8)), name))


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(name):
    first, second = (Image.fromarray(noise((8, 8, 3), seed=seed)) for seed in (0, 1))
    with pytest.raises(InputError, match="several pictures"):
        read_picture(saved(first, name, save_all=True, append_images=[second]))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_of_32_bits_are_refused(mode):
    with pytest.raises(InputError, match="no defined white"):
        read_picture(saved(Image.new(mode, (8, 8)), "TIFF"))


def forged(width, height):
    """A small PNG that says it is large."""
    import struct
    import zlib

    data = bytearray(saved(Image.new("L", (1, 1))).getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize("size", [(8193, 1), (1, 8193), (10_000, 10_000), (100_000, 100_000)])
def test_too_large_pictures_are_refused_before_they_are_decoded(size, monkeypatch):
    def decode(image):
        raise AssertionError(f"{image} was decoded")

    file = forged(*size)
    monkeypatch.setattr(Image.Image, "load", decode)
    with pytest.raises(InputError, match="larger than 8192 pixels"):
        read_picture(file)


def test_the_limit_can_be_another():
    assert read_picture(saved(Image.new("L", (9, 4))), largest=9).size == (4, 9)
    with pytest.raises(InputError, match="9x4, which is larger than 8"):
        read_picture(saved(Image.new("L", (9, 4))), largest=8)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_files_that_end_too_early_are_refused(name):
    data = saved(Image.fromarray(noise((64, 64, 3))), name).getvalue()
    for length in (len(data) // 3, len(data) * 9 // 10):
        with pytest.raises(InputError, match=r"damaged|not a PNG"):
            read_picture(io.BytesIO(data[:length]))


def test_what_is_no_file(tmp_path):
    (tmp_path / "empty.png").touch()
    cases = [(tmp_path, "folder"), (tmp_path / "none.png", "no such"), (tmp_path / "empty.png", "is empty")]
    for path, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            read_picture(path)
        assert caught.value.where == str(path)


def test_streams_that_cannot_be_read_again_have_a_limit(monkeypatch):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    data = saved(Image.fromarray(noise((9, 9, 3)))).getvalue()
    assert read_picture(Pipe(data)).size == (9, 9)
    monkeypatch.setattr(pictures, "STREAM_BYTES", len(data) - 1)
    with pytest.raises(InputError, match="GiB"):
        read_picture(Pipe(data))


def test_formats_that_cannot_hold_a_picture_are_refused(tmp_path):
    with pytest.raises(InputError, match="no alpha"):
        write_picture(tmp_path / "a.jpg", Picture(noise((4, 4, 4))))
    with pytest.raises(InputError, match="more than WEBP can hold"):
        check_format("WEBP", Picture(noise((4, 4, 3))), (16384, 8))
    with pytest.raises(InputError, match="names no picture format"):
        format_of(Path("a.gif"))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_bytes(b"before")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "_encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_picture(target, Picture(noise((4, 4, 3))))
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_damaged_exif_and_strange_resolutions_are_passed_over():
    image = Image.new("RGB", (4, 4))
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[TiffImagePlugin.X_RESOLUTION] = TiffImagePlugin.IFDRational(1, 0)
    info[TiffImagePlugin.Y_RESOLUTION] = TiffImagePlugin.IFDRational(1, 0)
    info[TiffImagePlugin.RESOLUTION_UNIT] = 2
    assert read_picture(saved(image, "TIFF", tiffinfo=info)).dpi is None
    assert read_picture(saved(image, "JPEG", exif=b"Exif\0\0rubbish")).exif is None


def test_a_tiff_that_says_no_resolution_has_none():
    assert read_picture(saved(Image.new("RGB", (4, 4)), "TIFF")).dpi is None
    assert read_picture(saved(Image.new("RGB", (4, 4)), "TIFF", resolution=1, resolution_unit=2)).dpi == (
        1,
        1,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no resource usage there")
def test_memory_is_bounded_by_the_result_and_a_tile(tmp_path):
    """8192 x 8192 out: less than three times its bytes and 1 GB, PyTorch and all."""
    ramp = np.broadcast_to(np.linspace(0, 255, 4096).astype(np.uint8)[:, None], (4096, 4096, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "lr.bmp")
    script = Path(__file__).with_name("large_picture.py")
    command = [sys.executable, script, tmp_path / "lr.bmp", tmp_path / "sr.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    peak, result = map(int, done.stdout.split()[:2])
    assert result == 8192 * 8192 * 3
    assert peak < 3 * result + 10**9
    with Image.open(tmp_path / "sr.png") as written:
        assert written.size == (8192, 8192)


def tiff16(samples, associated=False, **options):
    file = io.BytesIO()
    extra = ["assocalpha" if associated else "unassalpha"]
    colours = "rgb" if samples.shape[-1] == 4 or options.get("planarconfig") == "separate" else "minisblack"
    tifffile.imwrite(
        file, samples, photometric=colours, extrasamples=extra, metadata=None, software=False, **options
    )
    return file


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_premultiplied_colours_are_divided_by_alpha(channels, compression, byteorder):
    colours, alpha = noise((9, 7, channels - 1), np.uint16), noise((9, 7, 1), np.uint16, 1)
    alpha[0], alpha[1], alpha[2] = 0, 65535, 1
    stored = np.concatenate([np.rint(colours / 65535 * alpha).astype(np.uint16), alpha], axis=-1)
    found = read_picture(tiff16(stored, True, compression=compression, byteorder=byteorder)).samples
    assert found.dtype == np.uint16
    assert np.array_equal(found[..., -1:], alpha)
    assert (found[0, :, :-1] == 0).all()
    assert np.array_equal(found[1, :, :-1], colours[1])
    again = np.rint(found[..., :-1] / 65535 * alpha)
    assert np.array_equal(again, stored[..., :-1])


def test_gray_with_alpha_of_16_bits_is_turned_upright_with_its_tags():
    lying = noise((6, 9, 2), np.uint16)
    tags = [(274, "H", 1, 6, True), (271, "s", 0, b"Maker\0", True)]
    file = tiff16(lying, resolution=(100, 200), resolutionunit="inch", iccprofile=PROFILE, extratags=tags)
    found = read_picture(file)
    assert np.array_equal(found.samples, np.rot90(lying, -1))
    assert found.dpi == (200, 100)
    assert found.icc == PROFILE
    kept = Image.Exif()
    kept.load(found.exif)
    assert dict(kept) == {ExifTags.Base.Make: "Maker"}
    with pytest.raises(InputError, match="9x6, which is larger than 8"):
        read_picture(file, largest=8)


def test_what_tiff_of_16_bits_cannot_be_read_is_said():
    file = tiff16(noise((6, 9, 2), np.uint16))
    file.seek(0)
    tifffile.imwrite(file, noise((6, 9, 2), np.uint16), append=True, metadata=None)
    with pytest.raises(InputError, match="several pictures"):
        read_picture(file)
    data = tiff16(noise((6, 9, 2), np.uint16)).getvalue()
    packed = data.replace(b"\x03\x01\x03\0\x01\0\0\0\x01\0", b"\x03\x01\x03\0\x01\0\0\0\x05\0")  # LZW
    assert packed != data
    with pytest.raises(InputError, match="LZW") as caught:
        read_picture(io.BytesIO(packed))
    assert "PNG" in str(caught.value.fix)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_resolution_of_a_tiff_is_turned_with_it(orientation, dtype):
    image = Image.fromarray(noise((6, 9), dtype))
    found = read_picture(saved(image, "TIFF", dpi=(100, 200), tiffinfo={274: orientation}))
    assert found.size == ((9, 6) if orientation == 6 else (6, 9))
    assert found.dpi == ((200, 100) if orientation == 6 else (100, 200))


def test_a_tiff_of_16_bits_keeps_what_it_has_tags_for(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Artist] = "Maker", "Ärtist"
    write_picture(tmp_path / "a.tif", Picture(noise((6, 9, 3), np.uint16), exif=exif.tobytes()))
    kept = Image.Exif()
    kept.load(read_picture(tmp_path / "a.tif").exif)
    given = Image.Exif()
    given.load(exif.tobytes())
    assert dict(kept) == dict(given)
    assert kept[ExifTags.Base.Make] == "Maker"
