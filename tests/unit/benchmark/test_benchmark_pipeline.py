import io

import av
import numpy as np
import pytest

from pipersr_build.benchmark import pipeline


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    sizes = {"HEIGHT": 24, "WIDTH": 40, "FRAMES": 12, "WARM_UP": 4, "WAIT": 0.002, "ROUNDS": 5}
    for name, value in sizes.items():
        monkeypatch.setattr(pipeline, name, value)


def test_every_figure_comes_with_the_limit_it_is_held_to():
    figures = pipeline.measure()
    assert [(f.limit, f.unit, f.direction) for f in figures] == [
        (1.5, "ms", "at most"),
        (1.5, "ms", "at most"),
        (0.95, "x", "at least"),
        (44.4, "fps", "at least"),
        (44.4, "fps", "at least"),
    ]
    assert 0 < figures[2].value < 1.5  # above 1 is the jitter of 8 frames
    assert figures[3].value > 0
    assert "8 frames 40x24 to 80x48" in figures[2].detail


def test_the_rate_is_that_of_the_slowest_stage(monkeypatch):
    monkeypatch.setattr(pipeline, "WAIT", 0.02)
    large = pipeline._moving_picture()
    rate, stages = pipeline.sustained(large, pipeline._endless(large), lambda _: None)
    assert 20 < rate < 60  # 50, but for the jitter of 8 frames
    assert stages["predict"] >= 20
    assert set(stages) == {"read", "convert in", "predict", "convert out", "use"}


def test_the_frames_that_come_out_are_the_pictures_made_beforehand():
    large, seen = pipeline._moving_picture(), []
    pipeline.sustained(large, pipeline._endless(large), lambda frame: seen.append(frame.copy()))
    assert len(seen) == 12
    assert all(np.array_equal(frame, large[index % len(large)]) for index, frame in enumerate(seen))
    assert not np.array_equal(seen[0], seen[1])


def test_the_encoder_writes_h264_that_can_be_decoded():
    large = pipeline._moving_picture()
    with pipeline.Encoder(48, 80) as encoder:
        for picture in large:
            encoder.add(picture)
    frames = list(pipeline._decoded(encoder.clip))
    assert len(frames) == len(large)
    error = np.abs(frames[3].astype(int) - large[3]).mean()
    assert error < 12
    assert encoder.megabits == pytest.approx(8e-6 * len(encoder.clip) * 30 / len(large))


def test_the_clip_is_decoded_again_as_small_frames():
    large = pipeline._moving_picture()
    clip = pipeline._clip([picture[::2, ::2] for picture in large], 5)
    assert [frame.shape for frame in pipeline._decoded(clip)] == [(24, 40, 3)] * 5
    with av.open(io.BytesIO(clip)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
