"""Videos through the real frame session: a package's, a recurrent one's, and a long one's memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipersr_build.runtime.pipeline import FrameSession
from pipersr_build.runtime.upscaler import Upscaler
from pipersr_build.video.options import VideoOptions
from pipersr_build.video.upscale import upscale_video
from tests.unit.video import clips
from tests.unit.video.clips import Clip

STATUS = Path("/proc/self/statm")
LOSSLESS = VideoOptions(preset="ultrafast", crf=1)


def nearest(height, width):
    def predict(frame, out):
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            out[row::2, column::2] = frame

    return FrameSession(predict_rgb=predict, height=height, width=width, scale=2)


def psnr(one, other):
    return -10 * np.log10(np.mean((one.astype(float) - other) ** 2) / 255**2)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_video_is_what_the_package_makes_of_its_frames(tmp_path, tiny, kind):
    upscaler = Upscaler.from_package(getattr(tiny, kind), backend="interpreter")
    colours = (1, 1, 1, 1)
    source = Clip(size=(20, 34), times=[0, 40, 90], colours=colours).write(tmp_path / "film.mp4")
    report = upscale_video(source, tmp_path / "out.mp4", upscaler.frames_session, scale=2, options=LOSSLESS)
    assert report.frames == 3
    assert report.stages["predict"].frames == 3
    wanted = [upscaler.upscale(picture) for picture in clips.pictures(source)]
    for made, frame in zip(clips.pictures(tmp_path / "out.mp4"), wanted, strict=True):
        luma = [picture @ (0.2126, 0.7152, 0.0722) for picture in (made, frame)]  # chroma is halved in a file
        assert psnr(*luma) > 35


def test_a_network_with_a_memory_sees_the_frames_in_order_from_a_new_start(tmp_path):
    before = {"brightness": 200.0}
    seen = []

    def predict(tensor):
        seen.append((before["brightness"], float(tensor.mean())))
        before["brightness"] = float(tensor.mean())
        return tensor.repeat(2, 2).repeat(2, 3)

    def choose(height, width):
        return FrameSession(predict, height=height, width=width, scale=2,
                            reset=lambda: before.update(brightness=0.0))  # fmt: skip

    pictures = [np.full((48, 64, 3), 20 * n, np.uint8) for n in range(1, 11)]
    source = Clip(pictures=pictures).write(tmp_path / "film.mp4")
    upscale_video(source, tmp_path / "out.mp4", choose, scale=2, options=LOSSLESS)
    assert [state for state, _ in seen] == [0.0, *(frame for _, frame in seen[:-1])]
    assert [frame for _, frame in seen] == pytest.approx([20 * n / 255 for n in range(1, 11)], abs=0.01)


@pytest.mark.skipif(not STATUS.exists(), reason="the memory in use is read from /proc")
def test_memory_does_not_grow_with_the_length(tmp_path):
    pictures = [clips.pattern(n, 360, 640) for n in range(10)] * 30
    clip = Clip(size=(360, 640), times=[40 * n for n in range(300)], pictures=pictures)
    source = clip.write(tmp_path / "film.mp4")
    resident = {}

    def progress(step):
        resident[step.frames] = int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    options = VideoOptions(preset="ultrafast")
    upscale_video(source, tmp_path / "out.mp4", nearest, scale=2, options=options, progress=progress)
    assert len(resident) == 300
    assert max(list(resident.values())[100:]) - max(list(resident.values())[:100]) < 12  # MiB: 4 RGB frames
