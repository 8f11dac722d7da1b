import os
import signal
import threading
from types import SimpleNamespace

import pytest

from pipersr_build.commands.upscale_video import finishing, main_video
from pipersr_build.config import load
from pipersr_build.errors import InputError, InterruptedRunError
from tests.unit.video import clips
from tests.unit.video.clips import Clip, Nearest


@pytest.fixture
def config():
    return load(["upscale.video.preset=ultrafast", "upscale.video.limit=200"])


def upscalers(session=Nearest):
    return SimpleNamespace(scale=2, session=session)


def test_videos_are_upscaled_one_after_another(tmp_path, config, capsys):
    jobs = [(Clip().write(tmp_path / f"{name}.mp4"), tmp_path / f"{name}_2x.mkv") for name in "ab"]
    assert main_video(config, jobs, upscalers()) == 0
    for source, target in jobs:
        assert clips.times(target) == clips.times(source)
    told = capsys.readouterr().err
    assert "b_2x.mkv: 10 frames, 64x48 to 128x96" in told
    assert "frames/s" in told


def test_notes_are_told(tmp_path, config, capsys):
    source = Clip(subtitles="subrip").write(tmp_path / "a.mkv")
    main_video(config, [(source, tmp_path / "out.mp4")], upscalers())
    assert "subtitle stream 1 (subrip)" in capsys.readouterr().err


def test_one_that_cannot_be_used_stops_no_other(tmp_path, config, capsys):
    (tmp_path / "bad.mp4").write_text("no film")
    good = Clip().write(tmp_path / "good.mp4")
    jobs = [(tmp_path / "bad.mp4", tmp_path / "bad_2x.mp4"), (good, tmp_path / "good_2x.mp4")]
    with pytest.raises(InputError, match="1 of 2 videos") as caught:
        main_video(config, jobs, upscalers())
    assert str(tmp_path / "bad.mp4") in str(caught.value.where)
    assert len(clips.times(tmp_path / "good_2x.mp4")) == 10
    assert "cannot be opened as a video" in capsys.readouterr().err


def test_targets_are_checked_before_any_work(tmp_path, config):
    source = Clip().write(tmp_path / "a.mp4")
    jobs = [(source, tmp_path / "out.mp4"), (source, tmp_path / "out.txt")]
    with pytest.raises(InputError, match="no container"):
        main_video(config, jobs, upscalers())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


class Pressing(Nearest):
    """Presses Ctrl-C at the third frame."""

    def run(self, frames):
        for number, frame in enumerate(super().run(frames)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield frame


def test_ctrl_c_finishes_the_file(tmp_path, config):
    source = Clip(times=list(range(0, 4000, 40))).write(tmp_path / "a.mp4")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        InterruptedRunError, match=r"out.partial.mp4 ends after \d+ frames, and plays"
    ) as caught:
        main_video(config, [(source, tmp_path / "out.mp4")] * 2, upscalers(Pressing))
    assert caught.value.exit_code == 130
    assert 3 <= len(clips.pictures(tmp_path / "out.partial.mp4")) < 20
    assert not (tmp_path / "out.mp4").exists()
    assert signal.getsignal(signal.SIGINT) is before
    assert main_video(config, [(source, tmp_path / "out.mp4")], upscalers()) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]


def test_a_second_ctrl_c_interrupts_at_once():
    def twice():
        with finishing() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked.is_set()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()


def test_other_threads_have_no_handlers():
    seen = []

    def work():
        with finishing() as asked:
            seen.append(asked.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
