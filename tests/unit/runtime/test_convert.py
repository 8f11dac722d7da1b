import threading
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.runtime import convert
from pipersr_build.runtime.convert import fp16_to_rgb8, one_thread, rgb8_to_fp16

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def expected_levels(tensor):
    """The contract in plain numpy and float64: 1, 3, H, W to uint8 H, W, 3."""
    exact = tensor[0].astype(np.float64).transpose(1, 2, 0)
    return np.rint(np.clip(np.nan_to_num(exact, nan=0, posinf=1, neginf=0), 0, 1) * 255).astype(np.uint8)


def back(tensor):
    out = np.zeros((*tensor.shape[2:], 3), np.uint8)
    fp16_to_rgb8(tensor, out)
    return out


def test_every_fp16_number_becomes_the_nearest_level():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    for shift in range(3):  # so that NaN meets numbers in each channel
        tensor = np.stack([np.roll(every, channel * 321 + shift) for channel in range(3)])
        tensor = tensor.reshape(1, 3, 256, 256)
        np.testing.assert_array_equal(back(tensor), expected_levels(tensor))


def test_a_half_becomes_the_even_level_and_what_is_no_number_black():
    values = np.array([0.5, np.nan, -np.nan, np.inf, -np.inf, -0.0, 2, -1], np.float16)
    tensor = np.stack([values] * 3).reshape(1, 3, 1, 8)
    assert back(tensor)[0, :, 1].tolist() == [128, 0, 0, 255, 0, 0, 255, 0]
    assert back(tensor.astype(np.float32))[0, :, 1].tolist() == [128, 0, 0, 255, 0, 0, 255, 0]


def test_levels_are_those_of_the_interpreter():
    from pipersr_build.mil.features import from_tensor
    from pipersr_build.mil.package import Feature

    tensor = (np.random.default_rng(0).random((1, 3, 9, 31)) * 1.4 - 0.2).astype(np.float16)
    feature = Feature("sr", "image", "uint8", (9, 31, 3), "RGB")
    image = from_tensor(feature, torch.from_numpy(tensor).float() * 255, "fp16")
    np.testing.assert_array_equal(back(tensor), image)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_every_level_becomes_its_nearest_number_and_itself_again(dtype):
    frame = np.arange(3 * 256, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
    tensor = np.full((1, 3, 16, 16), 7, dtype)
    rgb8_to_fp16(frame, tensor)
    np.testing.assert_array_equal(tensor[0].transpose(1, 2, 0), (frame / 255.0).astype(dtype))
    np.testing.assert_array_equal(back(tensor), frame)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 90), st.sampled_from([np.float16, np.float32]), st.integers(0, 99))
def test_any_size_in_bands_of_any_size(size, pixels, dtype, seed):
    random = np.random.default_rng(seed)
    tensor = (random.random((1, 3, *size)) * 1.5 - 0.25).astype(dtype)
    frame = random.integers(0, 256, (*size, 3), np.uint8)
    made = np.zeros((1, 3, *size), dtype)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(convert, "PIXELS", pixels)
        patched.setattr(convert, "_SCRATCH", convert._Scratch())
        np.testing.assert_array_equal(back(tensor), expected_levels(tensor))
        rgb8_to_fp16(frame, made)
    np.testing.assert_array_equal(made[0].transpose(1, 2, 0), (frame / 255.0).astype(dtype))


def test_nothing_beside_the_frame_is_written():
    memory = np.full(5 * 7 * 3 + 8, 99, np.uint8)
    inner = memory[4:-4].reshape(5, 7, 3)
    fp16_to_rgb8(np.full((1, 3, 5, 7), 0.2, np.float16), inner)
    assert (inner == 51).all()
    assert (memory[:4] == 99).all()
    assert (memory[-4:] == 99).all()


def test_arrays_in_another_order_are_understood():
    tensor = np.random.default_rng(1).random((1, 8, 6, 3)).astype(np.float16).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(back(tensor), expected_levels(tensor))
    frame = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3).transpose(1, 0, 2)
    made = np.zeros((1, 3, 8, 6), np.float16)
    rgb8_to_fp16(frame, made)
    np.testing.assert_array_equal(made[0].transpose(1, 2, 0), (frame / 255.0).astype(np.float16))


@pytest.mark.parametrize(
    ("frame", "tensor", "says"),
    [
        (np.zeros((4, 4, 4), np.uint8), np.zeros((1, 3, 4, 4), np.float16), "a frame is uint8"),
        (np.zeros((4, 4, 3), np.int8), np.zeros((1, 3, 4, 4), np.float16), "not int8"),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((1, 3, 0, 4), np.float16), "a frame is uint8"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 3, 4, 5), np.float16), r"\(1, 3, 4, 4\)"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 3, 4, 4), np.float64), "not float64"),
    ],
)
def test_what_does_not_fit_is_refused_in_both_directions(frame, tensor, says):
    with pytest.raises(ValueError, match=says):
        fp16_to_rgb8(tensor, frame)
    with pytest.raises(ValueError, match=says):
        rgb8_to_fp16(frame, tensor)


def test_what_cannot_be_written_in_place_is_refused():
    frame = np.zeros((4, 8, 3), np.uint8)[:, ::2]
    with pytest.raises(ValueError, match="C-contiguous"):
        fp16_to_rgb8(np.zeros((1, 3, 4, 4), np.float16), frame)


def test_a_frame_is_converted_without_memory_of_a_frames_size():
    frame, tensor = np.zeros((360, 640, 3), np.uint8), np.zeros((1, 3, 360, 640), np.float16)
    rgb8_to_fp16(frame, tensor)
    fp16_to_rgb8(tensor, frame)
    tracemalloc.start()
    rgb8_to_fp16(frame, tensor)
    fp16_to_rgb8(tensor, frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000  # 691,200 bytes are a frame


def test_one_thread_concerns_only_the_thread_that_asks():
    before, seen = torch.get_num_threads(), []

    def ask():
        one_thread()
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == [before, 1]
    assert torch.get_num_threads() == before
