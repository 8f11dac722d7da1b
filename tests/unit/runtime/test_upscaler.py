import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pipersr_build
import pipersr_build.runtime.upscaler as upscaler_module
from pipersr_build.errors import InputError
from pipersr_build.mil.graph import TensorType
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Interface, open_package
from pipersr_build.runtime.backends import open_backend
from pipersr_build.runtime.samples import from_unit
from pipersr_build.runtime.upscaler import Upscaler


@pytest.fixture(scope="module")
def opened(tiny):
    """The upscaler of a kind of package with a semantics; each opened once."""
    made = {}

    def get(kind, semantics="fp16"):
        if (kind, semantics) not in made:
            package = open_package(getattr(tiny, kind))
            made[kind, semantics] = Upscaler(package, open_backend(package, semantics=semantics))
        return made[kind, semantics]

    return get


def noise(shape, dtype=np.uint8, seed=0):
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.random(shape).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def whole_frame(path, lr, semantics):
    """The program of the package run on the whole picture at once."""
    package = open_package(path)
    (source,), (result,) = package.interface.inputs, package.interface.outputs
    height, width = lr.shape[:2]
    image = source.kind == "image"
    function = replace(
        package.main,
        inputs={source.name: TensorType(package.main.inputs[source.name].dtype, (1, 3, height, width))},
    )
    shapes = [(height, width, 3), (2 * height, 2 * width, 3)]
    shapes = shapes if image else [(1, 3, *shape[:2]) for shape in shapes]
    interface = Interface(*((replace(f, shape=s),) for f, s in zip((source, result), shapes, strict=True)))
    resized = replace(package, functions={"main": function}, interfaces={"main": interface})
    given = lr if image else np.ascontiguousarray(lr.transpose(2, 0, 1)[None])
    made = Interpreter(resized, semantics=semantics).run({source.name: given})[result.name]
    return made if image else made[0].transpose(1, 2, 0)


def extended(lr, tile):
    """A picture that is smaller than the tile, with its edge repeated."""
    missing = [(0, max(0, most - length)) for most, length in zip(tile, lr.shape, strict=False)]
    return np.pad(lr, [*missing, (0, 0)], mode="edge")


sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(0, 99))
def test_tiles_make_exactly_the_whole_frame_in_float32(tiny, opened, size, seed):
    upscaler, lr = opened("image", "fp32"), noise((*size, 3), seed=seed)
    whole = whole_frame(tiny.image, extended(lr, upscaler.tile), "fp32")
    assert np.array_equal(upscaler(lr), whole[: 2 * size[0], : 2 * size[1]])


@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(0, 99))
def test_tiles_of_a_tensor_package_too_and_before_any_rounding(tiny, opened, size, seed):
    upscaler, lr = opened("video", "fp32"), noise((*size, 3), np.float16, seed=seed)
    whole = whole_frame(tiny.video, extended(lr, upscaler.tile), "fp32")[: 2 * size[0], : 2 * size[1]]
    assert np.array_equal(upscaler(lr.astype(np.float32)), whole.clip(0, 1))


@settings(max_examples=15, deadline=None)
@given(sizes, st.integers(0, 99))
def test_in_float16_tiles_differ_by_a_level_at_most(tiny, opened, size, seed):
    upscaler, lr = opened("image"), noise((*size, 3), seed=seed)
    whole = whole_frame(tiny.image, extended(lr, upscaler.tile), "fp16")[: 2 * size[0], : 2 * size[1]]
    assert np.abs(upscaler(lr).astype(int) - whole.astype(int)).max() <= 1


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
def test_every_kind_of_array_comes_back_twice_as_large(opened, kind, dtype, channels):
    made = opened(kind)(noise((5, 30, *channels), dtype))
    assert made.shape == (10, 60, *channels)
    assert made.dtype == dtype
    assert made.min() < made.max()


def test_levels_are_clipped_and_rounded():
    unit = np.array([-0.5, 0.0, 100.4 / 255, 100.6 / 255, 1.0, 7.0, np.nan, np.inf])
    assert from_unit(unit, np.uint8).tolist() == [0, 0, 100, 101, 255, 255, 0, 255]


def test_an_image_package_takes_the_8_bits_of_16(opened):
    upscaler, lr = opened("image"), noise((26, 25, 3))
    assert np.array_equal(upscaler(lr.astype(np.uint16) * 257), upscaler(lr).astype(np.uint16) * 257)


def test_a_tensor_package_tells_levels_between_8_bits_apart(opened):
    upscaler = opened("video")
    assert (opened("image").bits, upscaler.bits) == (8, 11)
    low, high = (upscaler(np.full((20, 34, 3), level, np.uint16)) for level in (20000, 20060))
    assert 0 < np.median(high.astype(int) - low.astype(int)) < 257


def test_gray_is_the_luma_of_equal_channels(opened):
    upscaler, gray = opened("image"), noise((30, 31))
    rgb = upscaler(np.repeat(gray[..., None], 3, axis=2)).astype(float)
    assert np.abs(upscaler(gray) - rgb @ [0.299, 0.587, 0.114]).max() <= 0.5


def test_opaque_pictures_are_as_without_alpha(opened):
    upscaler, rgb = opened("image"), noise((30, 31, 3))
    made = upscaler(np.dstack([rgb, np.full((30, 31), 255, np.uint8)]))
    assert np.array_equal(made[..., :3], upscaler(rgb))
    assert (made[..., 3] == 255).all()


def test_what_is_under_see_through_pixels_changes_no_visible_pixel(opened):
    upscaler, rgba = opened("image"), noise((40, 41, 4))
    rgba[..., 3] = 255
    rgba[:, 15:, 3] = 0
    other = rgba.copy()
    other[:, 15:, :3] = noise((40, 26, 3), seed=1)
    made, again = upscaler(rgba), upscaler(other)
    visible = made[..., 3] > 0
    assert np.array_equal(made[visible], again[visible])
    assert (made[:, :28, 3] == 255).all()
    assert (made[:, 32:, 3] == 0).all()


def test_tiles_are_counted_as_they_are_run(opened):
    for shape in [(1, 1), (24, 24, 3), (25, 70, 3), (30, 31, 4)]:
        seen, samples = [], noise(shape)
        opened("image").upscale(samples, after=lambda seen=seen: seen.append(1))
        assert len(seen) == opened("image").tiles(samples)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_pillow_images_come_back_as_such(opened, mode):
    image = Image.effect_noise((30, 20), 80)
    image = (
        Image.fromarray(noise((20, 30), np.uint16)) if mode == "I;16" else image.convert("RGB").convert(mode)
    )
    expected = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    made = opened("image")(image)
    assert (made.mode, made.size) == (expected, (60, 40))


@pytest.mark.parametrize("shape", [(0, 3), (4,), (4, 4, 1), (1, 3, 4, 4)])
def test_what_is_no_picture_is_refused(opened, shape):
    with pytest.raises(ValueError, match="picture"):
        opened("image")(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="int64"):
        opened("image")(np.zeros((4, 4), np.int64))


def test_facts_of_both_contracts(opened, tiny):
    image, video = opened("image"), opened("video")
    assert (image.kind, image.scale, image.tile, image.frame_size) == ("image", 2, (24, 24), None)
    assert (video.kind, video.scale, video.frame_size) == ("video", 2, (20, 34))
    assert pipersr_build.Upscaler.from_package(tiny.image).path == tiny.image


def test_frames_of_a_locked_package_go_through_it_whole(opened):
    upscaler, frame = opened("video"), noise((20, 34, 3))
    with upscaler.video() as session:
        made = [result.copy() for result in session.run([frame, frame])]
    assert len(made) == 2
    assert np.abs(made[0].astype(int) - upscaler(frame).astype(int)).max() <= 1


@pytest.mark.parametrize("kind", ["image", "video"])
def test_frames_of_other_sizes_go_through_tiles(opened, kind):
    upscaler, frame = opened(kind), noise((31, 47, 3))
    with upscaler.video((31, 47)) as session:
        assert np.array_equal(session.upscale(frame), upscaler(frame))


@pytest.mark.parametrize("size", [(31, 47), (24, 24), (9, 70)])
def test_tiles_are_written_into_the_buffers_of_the_session(opened, size, monkeypatch):
    upscaler, frame = opened("image"), noise((*size, 3))
    expected = upscaler(frame)
    with upscaler.video(size) as session:
        monkeypatch.setattr(upscaler_module, "np", NoFrames(expected.nbytes))
        for made in session.run([frame] * 5):
            assert np.array_equal(made, expected)
        assert np.array_equal(session.upscale(frame), expected)


class NoFrames:
    """Numpy, for which an array of so many bytes or more is too large."""

    def __init__(self, most):
        self.most = most

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype):
        made = np.empty(shape, dtype)
        assert made.nbytes < self.most
        return made


def test_a_tile_package_asks_for_the_size_of_frames(opened):
    with pytest.raises(InputError, match="every size"), opened("image").video():
        pass


def test_packages_that_enlarge_nothing_are_refused(tiny):
    package = open_package(tiny.image)
    source = package.interface.inputs[0]
    same = replace(package, interfaces={"main": Interface((source,), (source,))})
    with pytest.raises(InputError, match="no enlargement"):
        Upscaler(same, open_backend(package))
    none = replace(package, interfaces={"main": Interface((), ())})
    with pytest.raises(InputError, match="neither one RGB image"):
        Upscaler(none, open_backend(package))
    with pytest.raises(InputError, match="no function"):
        Upscaler.from_package(tiny.image, function="second")


def test_importing_the_toolkit_stays_light():

    code = "import sys, pipersr_build; print('numpy' in sys.modules, callable(pipersr_build.Upscaler))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("given", ["x.png", b"", None])
def test_what_is_no_picture_is_named(opened, given):
    with pytest.raises(TypeError, match=f"a NumPy array or a Pillow image, got {type(given).__name__}"):
        opened("image")(given)


@pytest.mark.parametrize("out", [np.zeros((10, 16, 3), np.uint8), np.zeros((10, 14, 3), np.uint16)])
def test_a_place_for_the_result_that_does_not_fit_is_refused(opened, out):
    with pytest.raises(ValueError, match=r"uint8 of shape \(10, 14, 3\)"):
        opened("image").upscale(noise((5, 7, 3)), out=out)
    assert not out.any()


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
@pytest.mark.parametrize("kind", ["image", "video"])
def test_frames_without_pixels_are_refused(opened, kind, size):
    with pytest.raises(InputError, match="no frames of"), opened(kind).video(size):
        pass
