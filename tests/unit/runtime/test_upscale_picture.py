import io
import threading

import numpy as np
import pytest
from PIL import Image

from pipersr_build.errors import InputError, InterruptedRunError, MachineError
from pipersr_build.runtime.pictures import Picture
from pipersr_build.runtime.upscale_picture import ROUNDED, upscale_picture
from pipersr_build.runtime.upscaler import Upscaler


@pytest.fixture(scope="module")
def upscaler(tiny):
    return Upscaler.from_package(tiny.image, backend="interpreter")


@pytest.fixture(scope="module")
def deep(tiny):
    return Upscaler.from_package(tiny.video, backend="interpreter")


def noise(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def test_a_stream_becomes_an_enlarged_picture_with_what_belongs_to_it(upscaler):
    file, rgb = io.BytesIO(), noise((30, 20, 3))
    Image.fromarray(rgb).save(file, format="PNG", dpi=(300, 300), icc_profile=b"profile")
    made = upscale_picture(file, upscaler)
    assert np.array_equal(made.samples, upscaler(rgb))
    assert (made.icc, made.notes) == (b"profile", ())
    assert made.dpi == pytest.approx((300, 300), abs=0.02)


def test_two_passes_are_one_after_the_other(upscaler):
    rgb = noise((13, 12, 3))
    made = upscale_picture(Picture(rgb), upscaler, passes=2)
    assert np.array_equal(made.samples, upscaler(upscaler(rgb)))


@pytest.mark.parametrize("shape", [(30, 20), (30, 20, 3), (30, 20, 4)])
@pytest.mark.parametrize("passes", [1, 2])
def test_progress_ends_at_the_total_that_it_began_with(upscaler, shape, passes):
    told = []
    upscale_picture(Picture(noise(shape)), upscaler, passes=passes, progress=lambda *step: told.append(step))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} == {len(told)}


def test_it_stops_at_the_next_tile_when_it_is_cancelled(upscaler):
    cancelled, told = threading.Event(), []

    def progress(done, total):
        told.append((done, total))
        cancelled.set()

    with pytest.raises(InterruptedRunError, match="cancelled"):
        upscale_picture(Picture(noise((40, 40, 3))), upscaler, progress=progress, cancelled=cancelled)
    assert len(told) == 1
    with pytest.raises(InterruptedRunError):
        upscale_picture(Picture(noise((4, 4, 3))), upscaler, cancelled=cancelled)


def test_16_bits_go_through_a_tensor_package_where_there_is_one(upscaler, deep):
    picture = Picture(noise((20, 30, 3), np.uint16))
    made = upscale_picture(picture, upscaler, deep=lambda: deep)
    assert (made.samples.dtype, made.notes) == (np.uint16, ())
    assert np.array_equal(made.samples, deep(picture.samples))
    assert len(np.unique(made.samples)) > 256
    rounded = upscale_picture(picture, upscaler, deep=lambda: None)
    assert (rounded.samples.dtype, rounded.notes) == (np.uint16, (ROUNDED,))
    assert (rounded.samples % 257 == 0).all()


@pytest.mark.parametrize(("passes", "fits"), [(1, 50), (2, 25)])
def test_the_result_can_have_a_limit(upscaler, passes, fits):
    for width, message in ((fits, None), (fits + 1, f"larger than {fits} pixels")):
        file = io.BytesIO()
        Image.new("L", (width, 2)).save(file, format="PNG")
        if message is None:
            made = upscale_picture(file, upscaler, passes=passes, largest_output=101)
            assert made.size[1] == width * 2**passes
        else:
            with pytest.raises(InputError, match=message):
                upscale_picture(file, upscaler, passes=passes, largest_output=101)


def test_too_little_memory_is_said(upscaler, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(upscaler, "upscale", full)
    with pytest.raises(MachineError, match="memory"):
        upscale_picture(Picture(noise((4, 4))), upscaler)
