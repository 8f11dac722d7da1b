import subprocess
import sys

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipersr_build.data.degradations import h264 as room
from pipersr_build.data.degradations.h264 import H264, h264
from pipersr_build.data.degradations.jpeg import Jpeg, jpeg
from pipersr_build.errors import MachineError


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_jpeg_loses_more_the_lower_its_quality(photo: NDArray[np.uint8]) -> None:
    scores = [psnr(jpeg(photo, quality), photo) for quality in (95, 75, 40, 10)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 38
    assert scores[-1] < 30


def test_h264_loses_more_the_higher_its_crf(photo: NDArray[np.uint8]) -> None:
    scores = [psnr(h264(photo, crf), photo) for crf in (0, 18, 28, 40, 51)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 40
    assert scores[-1] < 26


def test_colours_pass_h264_without_a_shift(random: np.random.Generator) -> None:
    """A conversion that truncates would darken by more than a level, and a network would learn that."""
    colours = random.integers(20, 236, (60, 3), dtype=np.uint8)
    flat = [np.broadcast_to(colour, (16, 16, 3)) for colour in colours]
    shift = np.array([h264(rgb, 1).astype(float).mean((0, 1)) - rgb[0, 0] for rgb in flat])
    assert np.abs(shift.mean(axis=0)).max() < 0.35
    assert np.abs(shift).max() <= 2.5


@pytest.mark.parametrize("motion", [(0, 0), (2, -1), (-3, 2)])
def test_the_last_frame_of_a_moving_clip_is_the_picture(
    photo: NDArray[np.uint8], motion: tuple[int, int]
) -> None:
    still = psnr(h264(photo, 24), photo)
    assert abs(psnr(h264(photo, 24, 3, motion), photo) - still) < 3
    assert not np.array_equal(h264(photo, 24, 3, (2, 1)), h264(photo, 24))


def test_motion_shows_earlier_frames_where_they_were(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips: list[list[NDArray[np.uint8]]] = []

    def record(clip: list[NDArray[np.uint8]], crf: int) -> NDArray[np.uint8]:
        del crf
        clips.append(clip)
        return clip[-1]

    monkeypatch.setattr(room, "_through_codec", record)
    h264(photo, 20, 3, (2, -1))
    first, second, last = clips[0]
    np.testing.assert_array_equal(last, photo)
    np.testing.assert_array_equal(second[:-2, 1:], photo[2:, :-1])  # moves down 2, left 1 per frame
    np.testing.assert_array_equal(first[:-4, 2:], photo[4:, :-2])


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 17), (33, 2)])
def test_any_size_comes_back(size: tuple[int, int], random: np.random.Generator) -> None:
    rgb = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    assert h264(rgb, 30, 2).shape == jpeg(rgb, 50).shape == rgb.shape


def test_parameters_are_drawn_from_their_ranges(photo: NDArray[np.uint8]) -> None:
    want = h264(photo, 30)
    fixed = H264(crf=(30, 30), frames=(1, 1), motion=0)
    np.testing.assert_array_equal(fixed.apply(photo, (48, 60), np.random.default_rng(3)), want)
    want = jpeg(photo, 50)
    np.testing.assert_array_equal(Jpeg(quality=(50, 50)).apply(photo, (1, 1), np.random.default_rng(3)), want)
    found = {jpeg(photo, quality).tobytes(): quality for quality in (60, 61, 62)}
    drawn = {
        found[Jpeg(quality=(60, 62)).apply(photo, (1, 1), np.random.default_rng(seed)).tobytes()]
        for seed in range(30)
    }
    assert drawn == {60, 61, 62}


def test_without_x264_the_machine_is_blamed(
    photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(MachineError, match="libx264"):
        h264(photo, 20)


def test_the_codec_is_loaded_only_when_it_is_used_and_says_nothing() -> None:
    code = (
        "import sys, numpy as np\n"
        "from pipersr_build.data.degradations import parse\n"
        "made = parse([{'kind': 'h264'}])\n"
        "assert 'av' not in sys.modules and 'torch' not in sys.modules\n"
        "made.degrade(np.zeros((32, 32, 3), np.uint8), 2, np.random.default_rng(0))\n"
        "assert 'av' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
