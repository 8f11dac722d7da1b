import base64
import itertools
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from pipersr_build.errors import InputError, MachineError
from pipersr_build.files import sha256
from pipersr_build.video import encoders
from pipersr_build.video.options import VideoOptions
from pipersr_build.video.reader import display_matrix
from pipersr_build.video.upscale import upscale_video
from tests.unit.video import clips
from tests.unit.video.clips import Clip, Nearest

FAST = {"preset": "ultrafast", "crf": 10}
UNEVEN = [0, 40, 100, 101, 500, 1700]
TURNED = (0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)  # a quarter clockwise, with a shift


COVER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)  # a PNG of one pixel


def upscale(source, target, choose=Nearest, scale=2, progress=None, cancelled=None, **options):
    return upscale_video(
        source, target, choose, scale=scale, options=VideoOptions(**{**FAST, **options}), progress=progress,
        cancelled=cancelled,
    )  # fmt: skip


def nothing_written(folder, *but):
    return sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in but)


def stream_of(path):
    container = av.open(str(path))
    return container.streams.video[0]


def test_everything_of_a_film_is_kept(tmp_path):
    clip = Clip(times=UNEVEN, sound="aac", subtitles="mov_text", matrix=TURNED, colours=(9, 1, 9, 16),
                aspect=Fraction(4, 3), tags={"title": "A film"})  # fmt: skip
    source, target = clip.write(tmp_path / "film.mp4"), tmp_path / "out.mp4"
    report = upscale(source, target)
    assert (report.frames, report.skipped, report.complete, report.dropped, report.notes) == (
        6,
        0,
        True,
        (),
        (),
    )
    assert (report.size, report.enlarged) == ((48, 64), (96, 128))
    assert clips.times(target) == clips.times(source) == [Fraction(time, 1000) for time in UNEVEN]
    assert clips.packets(target, "audio") == clips.packets(source, "audio")
    assert clips.packets(target, "subtitles") == clips.packets(source, "subtitles")
    assert clips.kinds(target) == [("video", "h264"), ("audio", "aac"), ("subtitle", "mov_text")]
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert (stream.codec_context.profile, stream.codec_context.pix_fmt) == ("High", "yuv420p")
        assert (frame.height, frame.width, stream.sample_aspect_ratio) == (96, 128, Fraction(4, 3))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (9, 1, 9, 16)
        assert display_matrix(frame) == (*TURNED[:6], 96 << 16, *TURNED[7:])  # the shift is in pixels
        assert container.metadata["title"] == "A film"
        assert container.streams.audio[0].language == "deu"
    assert nothing_written(tmp_path, source, target)


@pytest.mark.parametrize("colours", [(1, 1, 1, 1), (6, 2, 6, 6), (5, 1, 5, 5), (9, 1, 9, 14)])
def test_the_pixels_are_the_enlarged_ones(tmp_path, colours):
    source = Clip(colours=colours).write(tmp_path / "film.mp4")
    upscale(source, tmp_path / "out.mp4", crf=1)
    before, after = clips.pictures(source), clips.pictures(tmp_path / "out.mp4")
    assert len(before) == len(after) == 10
    for small, large in zip(before, after, strict=True):
        inside = np.s_[8:16, 8:16]  # of a corner of one colour
        assert large[inside] == pytest.approx(small[inside].repeat(1, 0), abs=4)
        assert float(np.abs(large[::2, ::2].astype(int) - small).mean()) < 2


@pytest.mark.parametrize(
    ("ending", "codec", "base"),
    [(".mp4", "libx265", Fraction(1, 30000)), (".mkv", "libvpx-vp9", Fraction(1, 1000)),
     (".webm", "libsvtav1", Fraction(1, 1000)), (".ts", "libx264", Fraction(1, 90000)),
     (".avi", "mpeg4", Fraction(1, 25)), (".mov", "mjpeg", Fraction(1001, 30000))],
)  # fmt: skip
def test_what_comes_in(tmp_path, ending, codec, base):
    times = [1000 * base * n * (1 if ending in (".avi", ".mov") else round(Fraction(1, 25) / base))
             for n in range(6)]  # fmt: skip
    form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"preset": "12"}}.get(codec, {})
    clip = Clip(times=times, size=(64, 64), codec=codec, time_base=base, options=options, pixel_format=form)
    source = clip.write(tmp_path / f"film{ending}")
    report = upscale(source, tmp_path / "out.mp4")
    assert (report.frames, report.notes) == (6, ())
    assert clips.times(tmp_path / "out.mp4") == [Fraction(time) / 1000 for time in times]


@pytest.mark.parametrize(
    ("ending", "codec", "kind"),
    [
        (".mkv", "h264", "h264"),
        (".mov", "hevc", "hevc"),
        (".webm", "vp9", "vp9"),
        (".mp4", "av1", "libdav1d"),
    ],
)
def test_what_goes_out(tmp_path, ending, codec, kind):
    source = Clip(size=(64, 64)).write(tmp_path / "film.mp4")
    report = upscale(source, tmp_path / f"out{ending}", codec=codec)
    assert report.frames == 10
    assert clips.kinds(tmp_path / f"out{ending}") == [("video", kind)]
    assert clips.times(tmp_path / f"out{ending}") == clips.times(source)


def test_quicktime_gets_the_tag_that_it_plays(tmp_path):
    source = Clip().write(tmp_path / "film.mp4")
    upscale(source, tmp_path / "out.mp4", codec="hevc")
    assert stream_of(tmp_path / "out.mp4").codec_context.codec_tag == "hvc1"


def test_streams_that_a_container_cannot_hold_are_named(tmp_path):
    source = Clip(sound="libmp3lame", subtitles="subrip").write(tmp_path / "film.mkv")
    report = upscale(source, tmp_path / "out.mp4")
    assert report.dropped == ("subtitle stream 2 (subrip)",)
    assert "subrip" in report.notes[0]
    assert ".mkv" in report.notes[0]
    assert clips.kinds(tmp_path / "out.mp4") == [("video", "h264"), ("audio", "mp3float")]
    assert upscale(source, tmp_path / "out.mkv").dropped == ()
    assert clips.packets(tmp_path / "out.mkv", "subtitles") == clips.packets(source, "subtitles")
    assert clips.packets(tmp_path / "out.mkv", "audio") == clips.packets(source, "audio")


def test_chapters_covers_and_fonts_go_along(tmp_path):
    plain, source = Clip().write(tmp_path / "plain.mp4"), tmp_path / "film.mp4"
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
    with av.open(str(plain)) as container, av.open(str(source), "w") as output:
        video = output.add_stream_from_template(container.streams.video[0])
        picture = output.add_mux_stream("png", width=1, height=1, time_base=Fraction(1, 90000))
        picture.disposition = Disposition.attached_pic
        output.set_chapters([chapter])
        for packet in container.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                output.mux(packet)
        packet = av.Packet(COVER)
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = picture, 0, 0, True
        output.mux(packet)
    report = upscale(source, tmp_path / "out.mp4")
    assert (report.frames, report.notes) == (10, ())
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [one["metadata"]["title"] for one in container.chapters()] == ["One"]
        pictures = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        assert [bytes(p) for p in container.demux(pictures) if p.size] == [COVER]


def test_progress_says_frames_speed_and_time_left(tmp_path):
    source, told = Clip().write(tmp_path / "film.mp4"), []
    upscale(source, tmp_path / "out.mp4", progress=told.append)
    assert [(step.frames, step.total) for step in told] == [(n, 10) for n in range(1, 11)]
    assert all(step.fps > 0 for step in told)
    assert told[-1].remaining == 0
    assert told[4].remaining == pytest.approx(5 / told[4].fps)


@pytest.mark.parametrize("ending", ["mkv", "avi"])
def test_titles_that_are_no_utf8(tmp_path, ending):
    base = Fraction(1, 25) if ending == "avi" else clips.MILLISECONDS
    source = Clip(tags={"title": "A film"}, time_base=base).write(tmp_path / f"film.{ending}")
    data = source.read_bytes()
    assert data.count(b"A film") == 1
    source.write_bytes(data.replace(b"A film", "Ä film".encode("latin-1")))
    assert upscale(source, tmp_path / "out.mp4").frames == 10
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "� film"


def test_packets_of_the_same_time_are_left_out_where_the_container_takes_none(tmp_path):
    film, source = Clip(sound="aac").write(tmp_path / "film.mp4"), tmp_path / "twice.mkv"
    with av.open(str(film)) as container, av.open(str(source), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in container.streams}
        for packet in container.demux():
            if packet.dts is None:
                continue
            packet.stream = streams[packet.stream.index]
            again = av.Packet(bytes(packet)) if packet.stream.type == "audio" and packet.dts > 0 else None
            if again is not None:
                again.stream, again.time_base = packet.stream, packet.time_base
                again.pts, again.dts, again.duration = packet.pts, packet.dts, packet.duration
            output.mux(packet)
            if again is not None:
                output.mux(again)
    sound = clips.packets(film, "audio")
    assert len(clips.packets(source, "audio")) > len(sound) + 3
    report = upscale(source, tmp_path / "out.mp4")
    assert "that go back in time were left out" in " ".join(report.notes)
    assert [data for _, data in clips.packets(tmp_path / "out.mp4", "audio")] == [data for _, data in sound]


def test_frames_out_of_decoding_order_last_as_long_as_before(tmp_path):
    """With B-frames the last packet in the file is not the last frame that is shown."""
    source = Clip(times=UNEVEN).write(tmp_path / "film.mp4")
    upscale(source, tmp_path / "out.mp4", preset="medium")
    stream, before = stream_of(tmp_path / "out.mp4"), stream_of(source)
    assert stream.codec_context.has_b_frames
    assert stream.duration * stream.time_base == before.duration * before.time_base


def test_a_cancelled_video_gets_a_name_of_its_own(tmp_path):
    source, cancelled = Clip(times=list(range(0, 2000, 40))).write(tmp_path / "f.mp4"), threading.Event()
    target, partial = tmp_path / "out.mp4", tmp_path / "out.partial.mp4"
    target.write_bytes(b"before")

    def run(progress):
        return upscale_video(source, target, Nearest, scale=2, options=VideoOptions(**FAST), partial=partial,
                             progress=progress, cancelled=cancelled)  # fmt: skip

    report = run(lambda _: cancelled.set())
    assert (report.complete, target.read_bytes()) == (False, b"before")
    assert len(clips.pictures(partial)) == report.frames
    cancelled.clear()
    assert run(None).frames == len(clips.times(target)) == 50
    assert nothing_written(tmp_path, source, target)


@pytest.mark.parametrize("after", [1, 7])
def test_a_cancelled_video_plays(tmp_path, after):
    source, cancelled = (
        Clip(sound="aac", times=list(range(0, 4000, 40))).write(tmp_path / "f.mp4"),
        threading.Event(),
    )

    def progress(step):
        if step.frames == after:
            cancelled.set()

    report = upscale(source, tmp_path / "out.mp4", progress=progress, cancelled=cancelled)
    assert not report.complete
    assert after <= report.frames < 20
    assert len(clips.pictures(tmp_path / "out.mp4")) == report.frames
    sound = clips.packets(tmp_path / "out.mp4", "audio")
    assert sound == clips.packets(source, "audio")[: len(sound)]
    assert sound[-1][0] < 3


def test_one_that_is_cancelled_at_once_leaves_nothing(tmp_path):
    source, cancelled = Clip().write(tmp_path / "film.mp4"), threading.Event()
    cancelled.set()
    report = upscale(source, tmp_path / "out.mp4", cancelled=cancelled)
    assert (report.frames, report.complete) == (0, False)
    assert nothing_written(tmp_path, source)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_errors_leave_the_old_target_and_no_thread(tmp_path, error):
    source, target = Clip().write(tmp_path / "film.mp4"), tmp_path / "out.mp4"
    target.write_bytes(b"before")
    before = threading.active_count()

    def progress(_):
        raise error

    with pytest.raises(error):
        upscale(source, target, progress=progress)
    assert target.read_bytes() == b"before"
    assert nothing_written(tmp_path, source, target)
    assert threading.active_count() <= before  # those of other tests may end meanwhile


def test_errors_of_the_session_surface(tmp_path):
    source, sessions = Clip().write(tmp_path / "film.mp4"), []

    def choose(height, width):
        sessions.append(Nearest(height, width, fail_at=3))
        return sessions[-1]

    with pytest.raises(ZeroDivisionError, match="in predict"):
        upscale(source, tmp_path / "out.mp4", choose)
    assert [(session.size, session.closed) for session in sessions] == [((48, 64), True)]
    assert nothing_written(tmp_path, source)


@pytest.mark.parametrize(("scale", "size"), [(2, (90, 74)), (3, (134, 110)), (1.5, (66, 54))])
def test_odd_sizes(tmp_path, scale, size):
    clip = Clip(size=(45, 37), codec="ffv1", options={}, pixel_format="bgr0", times=[0, 40])
    source = clip.write(tmp_path / "film.mkv")
    session = Nearest if scale == 2 else lambda h, w: Whole(h, w, scale)
    report = upscale(source, tmp_path / "out.mp4", session, scale)
    assert report.enlarged == size
    assert any("even" in note for note in report.notes) == (scale != 2)
    assert {picture.shape for picture in clips.pictures(tmp_path / "out.mp4")} == {(*size, 3)}


def test_a_shift_that_no_player_could_show_is_as_far_as_it_goes(tmp_path):
    turned = (*TURNED[:6], 2**31 - 1, -(2**31), TURNED[8])  # of a damaged file
    source = Clip(matrix=turned, times=[0, 40]).write(tmp_path / "film.mp4")
    upscale(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert display_matrix(next(container.decode(video=0))) == turned


def test_a_second_film_is_left_out_whatever_the_container(tmp_path):
    source = tmp_path / "film.mkv"
    with av.open(str(source), "w") as output:
        streams = [output.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
                   for _ in range(2)]  # fmt: skip
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(clips.pattern(1), "rgb24")
            output.mux([*stream.encode(frame), *stream.encode(None)])
    report = upscale(source, tmp_path / "out.mkv")
    assert report.notes == ("left out: video stream 1 (h264): of several videos in a file one is enlarged",)


class Whole(Nearest):
    """A session whose frames are black."""

    def run(self, frames):
        for _ in frames:
            yield np.zeros((*(int(length * self.scale) for length in self.size), 3), np.uint8)


def test_ten_bits_become_eight_and_this_is_said(tmp_path):
    source = Clip(pixel_format="yuv420p10le").write(tmp_path / "film.mp4")
    assert upscale(source, tmp_path / "out.mp4").notes == ("the source has 10 bits a colour, the result 8",)


def test_a_size_that_changes_midway(tmp_path):
    parts = [Clip(size=size, times=list(range(0, 200, 40))).write(tmp_path / f"{size[0]}.ts")
             for size in ((48, 64), (96, 64))]  # fmt: skip
    source = tmp_path / "film.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    report = upscale(source, tmp_path / "out.mp4")
    assert report.frames == 10
    assert {picture.shape for picture in clips.pictures(tmp_path / "out.mp4")} == {(96, 128, 3)}
    assert "5 frames of another size" in " ".join(report.notes)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])  # whose decoders remember the size, and forget it
def test_a_size_that_becomes_huge_is_not_decoded(tmp_path, codec):
    like = {"codec": codec, "options": {"preset": "ultrafast"} if codec == "libx264" else {}}
    parts = [Clip(size=size, times=list(range(0, 40 * frames, 40)), **like).write(tmp_path / f"{size[0]}.ts")
             for size, frames in (((48, 64), 60), ((1080, 1920), 3))]  # fmt: skip
    source = tmp_path / "film.ts"  # so long that its header is taken from the first part
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    report = upscale(source, tmp_path / "out.mp4", limit=128)
    assert report.frames == 60
    assert report.skipped > 0
    assert report.notes == (
        f"{report.skipped} frames of a size that is too large to be enlarged were left out",
    )
    with pytest.raises(InputError, match="frames become too large to be enlarged") as told:
        upscale(source, tmp_path / "out.mp4", limit=128, errors="stop")
    assert "upscale.video.limit" in told.value.fix
    report = upscale(source, tmp_path / "out.mp4", limit=3840)
    assert (report.frames, report.skipped) == (63, 0)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "libvpx-vp9"])
def test_the_edges_that_decoders_add_do_not_count(tmp_path, codec):
    source = Clip(size=(48, 64), codec=codec, options={}).write(tmp_path / "film.mkv")
    assert upscale(source, tmp_path / "out.mp4", limit=128).skipped == 0


def test_a_clock_that_starts_anywhere_is_set_to_zero(tmp_path):
    source = Clip(times=[0, 40, 120], sound="mp2", later=7).write(tmp_path / "film.ts")
    first = clips.times(source)[0]
    assert first >= 7
    upscale(source, tmp_path / "out.mp4")
    shifts = {a - b for a, b in zip(clips.times(source), clips.times(tmp_path / "out.mp4"), strict=True)}
    assert len(shifts) == 1
    before, after = (clips.packets(path, "audio")[0][0] for path in (source, tmp_path / "out.mp4"))
    assert float(shifts.pop()) == pytest.approx(float(before - after), abs=1e-4)


@pytest.mark.parametrize("ending", ["mkv", "flv", "mp4"])
def test_a_film_that_begins_late_does_not_break_off(tmp_path, ending):
    source = Clip(times=list(range(0, 2000, 40)), sound="aac", later=5).write(tmp_path / f"film.{ending}")
    report = upscale(source, tmp_path / "out.mkv", errors="stop")
    assert (report.frames, report.notes) == (50, ())
    if ending != "mp4":  # it has its index at the end
        report = upscale(clips.cut(source, 0.6), tmp_path / "out.mkv")
        assert "breaks off" in " ".join(report.notes)


@pytest.mark.parametrize("ending", ["ts", "mpg"])
def test_a_clock_that_jumps_back_a_little_goes_on(tmp_path, ending):
    codec, base = ("mpeg2video", Fraction(1, 25)) if ending == "mpg" else ("libx264", Fraction(1, 1000))
    part = Clip(times=list(range(0, 800, 40)), codec=codec, options={}, time_base=base).write(
        tmp_path / f"part.{ending}"
    )
    source = tmp_path / f"film.{ending}"
    source.write_bytes(2 * part.read_bytes())
    report = upscale(source, tmp_path / "out.mp4")
    times = clips.times(tmp_path / "out.mp4")
    assert report.frames == len(times) == 40
    assert [float(after - before) for before, after in itertools.pairwise(times)] == pytest.approx(
        [0.04] * 39, abs=0.021
    )


def test_a_clock_that_jumps_back_goes_on(tmp_path):
    part = Clip(times=list(range(0, 2000, 40)), sound="mp2", later=3).write(tmp_path / "part.ts")
    source = tmp_path / "film.ts"
    source.write_bytes(2 * part.read_bytes())
    report = upscale(source, tmp_path / "out.mp4")
    times = clips.times(tmp_path / "out.mp4")
    assert report.frames == 100
    assert times[-1] - times[0] == pytest.approx(99 * 0.04, abs=0.1)
    sound = clips.packets(tmp_path / "out.mp4", "audio")
    assert len(sound) == pytest.approx(2 * len(clips.packets(part, "audio")), abs=8)
    assert sound[-1][0] == pytest.approx(times[-1], abs=0.2)


def damaged(path):
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data) // 2, 97):
        data[place : place + 12] = bytes(12)
    target = path.with_stem("damaged")
    target.write_bytes(data)
    return target


@pytest.fixture
def noisy(tmp_path):
    """A film whose packets are large, so that damage lies in pictures and not in the container."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(30)]
    return lambda ending: Clip(times=[40 * n for n in range(30)], pictures=pictures,
                               options={"crf": "10", "g": "6"}).write(tmp_path / f"film{ending}")  # fmt: skip


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_corrupt_frames_are_skipped_and_counted(tmp_path, noisy, ending):
    source = damaged(noisy(ending))
    report = upscale(source, tmp_path / "out.mp4")
    assert 0 < report.skipped < 30
    assert report.frames <= 30 - report.skipped + 3
    assert f"{report.skipped} corrupt frames" in " ".join(report.notes)
    assert len(clips.pictures(tmp_path / "out.mp4")) == report.frames


def test_or_stop_the_work(tmp_path, noisy):
    source = damaged(noisy(".mkv"))
    with pytest.raises(InputError, match=r"a frame cannot be decoded.* after 0\.\d+ s"):
        upscale(source, tmp_path / "out.mp4", errors="stop")
    assert nothing_written(tmp_path, source, tmp_path / "film.mkv")


def test_a_truncated_film_is_taken_as_far_as_it_goes(tmp_path, noisy):
    source = clips.cut(noisy(".mkv"), 0.5)
    report = upscale(source, tmp_path / "out.mp4")
    assert 10 < report.frames < 20
    assert "breaks off" in " ".join(report.notes)
    with pytest.raises(InputError, match="breaks off"):
        upscale(source, tmp_path / "strict.mp4", errors="stop")


def without_the_end(path, missing):
    """A film of 100 frames and 4 s, its index in front, without the last `missing` frames."""
    base = Fraction(1, 25) if path.suffix == ".avi" else clips.MILLISECONDS
    whole = Clip(times=list(range(0, 4000, 40)), time_base=base).write(path.with_stem("whole"))
    with av.open(str(whole)) as container, av.open(
        str(path), "w", container_options={"movflags": "faststart"} if path.suffix == ".mp4" else {}
    ) as output:  # fmt: skip
        stream = output.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.dts is not None]
    path.write_bytes(path.read_bytes()[: places[100 - missing] - 16])  # without the header of its block
    return path


@pytest.mark.parametrize(("ending", "missing", "told"), [
    ("mp4", 1, False), ("mp4", 3, True), ("mkv", 1, False), ("mkv", 5, True), ("avi", 10, True),
])  # fmt: skip
def test_a_little_that_is_missing_is_told(tmp_path, ending, missing, told):
    source = without_the_end(tmp_path / f"film.{ending}", missing)
    report = upscale(source, tmp_path / "out.mp4")
    assert 100 - missing - 1 <= report.frames <= 100 - missing
    assert ("breaks off" in " ".join(report.notes)) == told
    if told:
        with pytest.raises(InputError, match=r"breaks off|its data is damaged"):  # half a frame may be left
            upscale(source, tmp_path / "strict.mp4", errors="stop")
        assert not (tmp_path / "strict.mp4").exists()


def bad_sources(folder):
    film = Clip(sound="aac").write(folder / "film.mp4")
    clips.cut(film, 0.6, folder / "cut.mp4")
    with av.open(str(folder / "sound.mov"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
    (folder / "text.mp4").write_text("no film")
    (folder / "empty.mp4").write_bytes(b"")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "film.mp4", "#EXT-X-ENDLIST"]
    (folder / "list.m3u8").write_text("\n".join(lines))
    (folder / "notes.txt").write_text("Not a film, though a terminal could show it.\n" * 50)
    (folder / "still.heic").write_bytes(film.read_bytes().replace(b"ftypisom", b"ftypheic", 1))
    (folder / "picture.bmp").write_bytes(b"BM" + bytes(8) + COVER)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.mp4", "no such file"),
        (".", "not a file"),
        ("text.mp4", "cannot be opened as a video"),
        ("empty.mp4", "the file is empty"),
        ("cut.mp4", "cannot be opened as a video"),
        ("list.m3u8", "no film of a kind that is read"),
        ("notes.txt", "no film of a kind that is read"),
        ("still.heic", "a still picture"),
        ("picture.bmp", "cannot be opened as a video"),
        ("sound.mov", "there is no video in it .*audio"),
    ],
)
def test_sources_that_are_no_video(tmp_path, name, message):
    bad_sources(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message) as caught:
        upscale(tmp_path / name, tmp_path / "out.mp4")
    assert caught.value.where == str(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_a_film_without_a_whole_frame(tmp_path):
    source = Clip(times=[0]).write(tmp_path / "film.mkv")
    packet = clips.packets(source, "video")[0][1]
    source.write_bytes(source.read_bytes().replace(packet, bytes(len(packet))))
    with pytest.raises(InputError, match=r"frames? can be decoded"):
        upscale(source, tmp_path / "out.mp4")
    with pytest.raises(InputError, match="more than 127 pixels"):  # by the header, before any is decoded
        upscale(source, tmp_path / "out.mp4", limit=127)
    assert nothing_written(tmp_path, source)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("out.avi", {}, "no container"),
        ("out", {}, "no container"),
        ("out.webm", {}, "WebM holds no H.264"),
        ("out.mov", {"codec": "vp9"}, "QuickTime"),
        ("film.mp4", {}, "replace the source"),
        ("folder.mp4", {}, "a folder stands"),
        ("out.mp4", {"limit": 127}, "64x48 would become 128x96, more than 127"),
        ("out.mp4", {"crf": 52}, "upscale.video.crf"),
        ("out.mp4", {"crf": 0}, r"upscale.video.crf(.|\n)*1 \(best\)"),
        ("out.mp4", {"codec": "h266"}, "upscale.video.codec"),
        ("out.mp4", {"preset": "placebo"}, "upscale.video.preset"),
        ("out.mp4", {"errors": "hide"}, "upscale.video.errors"),
        ("out.mp4", {"limit": 0}, "upscale.video.limit"),
    ],
)
def test_targets_and_settings_that_cannot_be(tmp_path, target, options, message):
    source = Clip(times=[0, 40]).write(tmp_path / "film.mp4")
    (tmp_path / "folder.mp4").mkdir()
    before, digest = sorted(tmp_path.iterdir()), sha256(source)
    with pytest.raises(InputError, match=message) as caught:
        upscale(source, tmp_path / target, **options)
    assert caught.value.fix
    assert (sorted(tmp_path.iterdir()), sha256(source)) == (before, digest)


def test_the_largest_size_may_be_raised(tmp_path):
    source = Clip(times=[0, 40]).write(tmp_path / "film.mp4")
    assert upscale(source, tmp_path / "out.mp4", limit=128).frames == 2


def test_an_encoder_that_is_missing_is_found_before_the_source_is_opened(tmp_path, monkeypatch):
    source = tmp_path / "film.mp4"
    source.write_text("no film")
    monkeypatch.setitem(encoders.ENCODERS, "h264", encoders.Encoder("H.264", "libnone", 18))
    with pytest.raises(MachineError, match=r"no H\.264 encoder here \(libnone\)") as caught:
        upscale(source, tmp_path / "out.mp4")
    assert "hevc" in str(caught.value.fix)
    assert nothing_written(tmp_path, source)


@pytest.mark.parametrize("allowed", [300, 20_000])
def test_a_full_disk(tmp_path, allowed):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(40)]
    source = Clip(times=[40 * n for n in range(40)], pictures=pictures).write(tmp_path / "film.mp4")
    before = threading.active_count()
    with (
        clips.file_size_limit(allowed),
        pytest.raises(InputError, match="larger than the system allows") as caught,
    ):
        upscale(source, tmp_path / "out.mp4", crf=1)
    assert caught.value.where == str(tmp_path / "out.mp4")
    assert nothing_written(tmp_path, source)
    assert threading.active_count() <= before  # those of other tests may end meanwhile
