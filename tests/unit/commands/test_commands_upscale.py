import contextlib
import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipersr_build import cli
from pipersr_build.commands import upscale, upscale_inputs, upscalers
from pipersr_build.commands.upscalers import Upscalers
from pipersr_build.config import load
from pipersr_build.config.upscale import UpscaleConfig, passes_of
from pipersr_build.errors import InputError
from pipersr_build.runtime.pictures import read_picture
from pipersr_build.runtime.upscaler import Upscaler


@pytest.fixture
def work(tmp_path, monkeypatch, tiny):
    """A folder to work in, and the words that name the packages."""
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(folder=tmp_path, package=f"package={tiny.image.parent}")


def picture(path, shape=(10, 12, 3), dtype=np.uint8, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    Image.fromarray(samples).save(path, **options)
    return samples


def files_in(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_a_picture_gets_its_result_beside_it(work, tiny):
    samples = picture(work.folder / "a.bmp")
    assert cli.main(["upscale", "a.bmp", work.package]) == 0
    assert files_in(work.folder) == ["a.bmp", "a_2x.png"]
    assert np.array_equal(
        read_picture(work.folder / "a_2x.png").samples, Upscaler.from_package(tiny.image)(samples)
    )


def test_a_folder_is_gone_through_and_gone_on_with(work, capsys):
    for name in ("a.png", "deep/b.jpg", "deep/c.webp", ".hidden/d.png"):
        picture(work.folder / "in" / name)
    assert cli.main(["upscale", "in", "out=made", work.package]) == 0
    made = ["a_2x.png", "deep/b_2x.png", "deep/c_2x.png"]
    assert files_in(work.folder / "made") == made
    (work.folder / "made" / "deep" / "b_2x.png").unlink()
    before = (work.folder / "made" / "a_2x.png").stat().st_mtime_ns
    assert cli.main(["upscale", "in", "out=made", work.package]) == 0
    assert files_in(work.folder / "made") == made
    assert (work.folder / "made" / "a_2x.png").stat().st_mtime_ns == before
    assert "a_2x.png is there" in capsys.readouterr().err
    assert cli.main(["upscale", "in", "out=made", "overwrite=true", work.package]) == 0
    assert (work.folder / "made" / "a_2x.png").stat().st_mtime_ns > before


def test_results_in_a_folder_are_not_upscaled_again(work):
    picture(work.folder / "in" / "a.png")
    for _ in range(2):
        assert cli.main(["upscale", "in", work.package]) == 0
        assert cli.main(["upscale", "in", "scale=4", work.package]) == 0
    assert files_in(work.folder / "in") == ["a.png", "a_2x.png", "a_4x.png"]


def test_a_pattern_that_names_results_too_goes_on(work, capsys):
    picture(work.folder / "a.png")
    assert cli.main(["upscale", "a.png", work.package]) == 0
    assert cli.main(["upscale", "a.png", "a_2x.png", work.package]) == 0
    assert files_in(work.folder) == ["a.png", "a_2x.png"]
    assert "a_2x.png is left out" in capsys.readouterr().err


def test_sources_that_would_share_a_name_keep_their_endings(work):
    picture(work.folder / "in" / "a.png")
    picture(work.folder / "in" / "a.jpg")
    for _ in range(2):
        assert cli.main(["upscale", "in", work.package]) == 0
    assert files_in(work.folder / "in") == ["a.jpg", "a.jpg_2x.png", "a.png", "a.png_2x.png"]


def test_videos_are_handed_on_even_when_a_picture_fails(work, monkeypatch):
    handed = []
    module = SimpleNamespace(main_video=lambda _, jobs, __: handed.extend(jobs) or 0)
    monkeypatch.setitem(upscale.sys.modules, "pipersr_build.commands.upscale_video", module)
    for name in ("clip.MP4", "bad.png", "unknown"):
        (work.folder / name).write_bytes(b"no picture")
    assert cli.main(["upscale", "clip.MP4", "bad.png", "unknown", "scale=4", work.package]) == 2
    assert [target.name for _, target in handed] == ["clip_2x.mp4", "unknown_2x.mp4"]


def test_videos_alone_are_not_asked_to_go_twice(work, capsys):
    (work.folder / "clip.mp4").write_bytes(b"no video, which is not looked at")
    for word in ("scale=4", "passes=2"):
        assert cli.main(["upscale", "clip.mp4", word, work.package]) == 2
        assert "videos are enlarged once, by 2" in capsys.readouterr().err
    picture(work.folder / "a.png")
    assert cli.main(["upscale", "a.png", "clip.mp4", "scale=4", work.package]) == 2  # it is no video
    assert "videos are enlarged once, by 2" in capsys.readouterr().err
    assert files_in(work.folder) == ["a.png", "a_4x.png", "clip.mp4"]


def test_closed_streams_are_said(work, monkeypatch, capsys):
    for name in ("stdin", "stdout"):
        with monkeypatch.context() as closed:
            closed.setattr(upscale.sys, name, None)
            assert cli.main(["upscale", "-", work.package]) == 2
        said = capsys.readouterr().err
        assert "it is closed" in said
        assert {"stdin": "standard input", "stdout": "standard output"}[name] in said


def test_four_times_by_two_passes(work):
    picture(work.folder / "a.png", (7, 9))
    assert cli.main(["upscale", "a.png", "scale=4", work.package]) == 0
    assert cli.main(["upscale", "a.png", "passes=2", "out=b.webp", work.package]) == 0
    assert (
        read_picture(work.folder / "a_4x.png").size == read_picture(work.folder / "b.webp").size == (28, 36)
    )


def test_formats_by_name(work):
    picture(work.folder / "a.png")
    assert cli.main(["upscale", "a.png", "format=jpg", "quality=80", work.package]) == 0
    assert cli.main(["upscale", "a.png", "out=b.tif", work.package]) == 0
    for name, expected in (("a_2x.jpg", "JPEG"), ("b.tif", "TIFF")):
        with Image.open(work.folder / name) as made:
            assert made.format == expected


def test_16_bits_stay_16_bits(work, capsys, tiny):
    picture(work.folder / "a.png", (20, 34), np.uint16)
    assert cli.main(["upscale", "a.png", work.package]) == 0
    made = read_picture(work.folder / "a_2x.png").samples
    assert made.dtype == np.uint16
    assert (made % 257 != 0).any()
    assert "rounded" not in capsys.readouterr().err
    assert cli.main(["upscale", "a.png", "overwrite=true", f"package={tiny.image}"]) == 0
    assert "rounded to the 8 bits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "title"), [("webp", "WebP"), ("jpg", "JPEG"), ("bmp", "BMP"), ("tif", None)]
)
def test_a_format_that_holds_8_bits_says_once_what_became_of_16(work, monkeypatch, capsys, tiny, name, title):
    picture(work.folder / "a.png", (20, 34), np.uint16)
    said = f"16-bit samples were rounded to the 8 bits that {title} holds"
    assert cli.main(["upscale", "a.png", f"out=b.{name}", work.package]) == 0
    assert capsys.readouterr().err.count(f"a.png: {said}") == (title is not None)
    streams(monkeypatch, (work.folder / "a.png").read_bytes(), io.BytesIO())
    assert cli.main(["upscale", "-", f"out=c.{name}", work.package]) == 0
    assert capsys.readouterr().err.count("rounded") == (title is not None)
    assert cli.main(["upscale", "a.png", f"out=d.{name}", f"package={tiny.image}"]) == 0
    assert capsys.readouterr().err.count("rounded") == 1  # the package has rounded them already


def test_a_stream_is_not_enlarged_for_a_format_that_cannot_hold_it(work, monkeypatch, capsys):
    picture(work.folder / "a.png", (20, 34, 4))
    streams(monkeypatch, (work.folder / "a.png").read_bytes(), io.BytesIO())
    monkeypatch.setattr(upscale, "upscale_picture", None)
    assert cli.main(["upscale", "-", "format=jpg", work.package]) == 2
    assert "no alpha channel" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["/proc/x", "/proc/x.png", "file/x", "file/x.png", "loop", "loop/x.png"])
def test_a_place_that_takes_no_files_is_one_message(work, capsys, out):
    if out.startswith("/proc") and not Path("/proc/self").is_dir():
        pytest.skip("this system has no /proc")
    picture(work.folder / "a.png")
    (work.folder / "file").touch()
    (work.folder / "loop").symlink_to("loop")
    assert cli.main(["upscale", "a.png", f"out={out}", work.package]) == 2
    assert "choose another output folder" in capsys.readouterr().err


def test_the_standard_input_goes_to_the_standard_output(work, monkeypatch, tiny):
    samples = picture(work.folder / "a.jpg")
    samples = read_picture(work.folder / "a.jpg").samples
    out = SimpleNamespace(buffer=io.BytesIO(), isatty=lambda: False)
    given = SimpleNamespace(buffer=io.BytesIO((work.folder / "a.jpg").read_bytes()))
    monkeypatch.setattr(upscale, "sys", SimpleNamespace(stdin=given, stdout=out))
    assert cli.main(["upscale", "-", work.package]) == 0
    made = read_picture(out.buffer).samples
    assert np.array_equal(made, Upscaler.from_package(tiny.image)(samples))
    given.buffer.seek(0)
    assert cli.main(["upscale", "-", "out=b.png", work.package]) == 0
    assert np.array_equal(read_picture(work.folder / "b.png").samples, made)


def test_a_picture_is_not_written_to_a_terminal_nor_files_beside_a_stream(work, monkeypatch, capsys):
    monkeypatch.setattr(upscale.sys.stdout, "isatty", lambda: True, raising=False)
    assert cli.main(["upscale", "-", work.package]) == 2
    assert "terminal" in capsys.readouterr().err
    assert cli.main(["upscale", "-", "a.png", work.package]) == 2
    assert "stands alone" in capsys.readouterr().err


def test_one_bad_picture_stops_no_other(work, capsys):
    picture(work.folder / "in" / "a.png")
    (work.folder / "in" / "b.png").write_bytes(b"no picture")
    picture(work.folder / "in" / "c.png", (9, 9, 4))
    assert cli.main(["upscale", "in", "format=bmp", work.package]) == 2
    assert files_in(work.folder / "in") == ["a.png", "a_2x.bmp", "b.png", "c.png"]
    told = capsys.readouterr().err
    assert "2 of 3 pictures" in told
    assert "in/b.png" in told
    assert "no alpha" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to upscale"),
        (["none.png"], "no such picture"),
        (["a.png", "scale=3"], "2, 4, 8, 16"),
        (["a.png", "scale=4", "passes=2"], "not both"),
        (["a.png", "out=a.png"], "over a source"),
        (["a.png", "out=b.GIF"], "no picture format"),
        (["a.png", "a_2x.png", "overwrite=true"], "over a source"),
        (["a.png", "format=gif"], "choose from png"),
        (["a.png", "passes=9"], "from 1 to 4"),
        (["a.png", "quality=0"], "from 1 to 100"),
        (["a.png", "backend=gpu"], "choose from auto"),
        (["a.png", "package=none"], "no such package"),
        (["empty"], "holds no images"),
    ],
)
def test_what_cannot_be_done_is_one_message(work, capsys, words, message):
    picture(work.folder / "a.png")
    picture(work.folder / "a_2x.png")
    (work.folder / "empty").mkdir()
    before = files_in(work.folder)
    package = [] if any("package" in word for word in words) else [work.package]
    assert cli.main(["upscale", *words, *package]) == 2
    assert message in capsys.readouterr().err
    assert files_in(work.folder) == before


def test_an_interruption_leaves_whole_files(work, monkeypatch):
    for name in "ab":
        picture(work.folder / "in" / f"{name}.png")
    kept = upscale.pictures.write_picture

    def interrupted(target, *rest, **more):
        if target.name.startswith("b"):
            raise KeyboardInterrupt
        kept(target, *rest, **more)

    monkeypatch.setattr(upscale.pictures, "write_picture", interrupted)
    assert cli.main(["upscale", "in", work.package]) == 130
    assert files_in(work.folder / "in") == ["a.png", "a_2x.png", "b.png"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(work, capsys):
    picture(work.folder / "in" / "a.png")
    (work.folder / "in").chmod(0o500)
    assert cli.main(["upscale", "in", work.package]) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_the_locked_package_of_the_frame_size_else_tiles(tiny):
    chosen = Upscalers(UpscaleConfig(package=str(tiny.image.parent)))
    assert chosen.frames(20, 34).path == tiny.video
    assert chosen.frames(20, 35).path == tiny.image
    assert chosen.pictures.path == tiny.image
    assert chosen.deep().path == tiny.video
    assert chosen.frames(20, 34) is chosen.frames(20, 34)
    assert Upscalers(UpscaleConfig(package=str(tiny.image))).deep() is None
    only = Upscalers(UpscaleConfig(package=str(tiny.video)))
    assert only.pictures.path == only.frames(9, 9).path == tiny.video
    with chosen.session(20, 34) as session:
        assert session.upscale(np.zeros((20, 34, 3), np.uint8)).shape == (40, 68, 3)


def test_without_a_package_it_is_the_export_else_the_reference(tiny, tmp_path, monkeypatch):
    asked = []

    def reference(names):
        asked.extend(names)
        return {name: tiny.video if name.startswith("video") else tiny.image for name in names}

    monkeypatch.setattr(upscalers, "reference_packages", reference)
    chosen = Upscalers(UpscaleConfig(), tmp_path)
    assert (chosen.scale, asked) == (2, [])
    assert (chosen.pictures.path, chosen.deep().path) == (tiny.image, tiny.video)
    assert chosen.frames(360, 640).path == tiny.video
    assert chosen.frames(361, 640).path == tiny.image
    assert asked == ["image_128", "video_128x128", "video_360p"]
    (tmp_path / "pipersr_2x").symlink_to(tiny.image.parent)
    asked.clear()
    assert Upscalers(UpscaleConfig(), tmp_path).pictures.path.name == tiny.image.name
    assert asked == []


def test_settings_have_short_names():
    words = ["package=a", "out=b", "scale=4", "codec=hevc", "crf=20"]
    config = load([upscale.arguments.in_full(word, upscale.SHORT) for word in words])
    assert (config.upscale.package, config.upscale.out, config.upscale.scale) == ("a", "b", 4)
    assert (config.upscale.video.codec, config.upscale.video.crf) == ("hevc", 20)


@pytest.mark.parametrize(("scale", "wanted", "passes"), [(2, 8, 3), (4, 4, 1), (1.5, 2.25, 2), (3, None, 1)])
def test_passes_of_a_scale(scale, wanted, passes):
    assert passes_of(UpscaleConfig(scale=wanted), scale) == passes


def test_a_scale_that_no_passes_make():
    with pytest.raises(InputError, match="scale is 6"):
        passes_of(UpscaleConfig(scale=6), 2)


def test_names_that_look_like_something_else(work, monkeypatch):
    odd = work.folder / "a (1), ${x} it's"
    picture(odd / "in" / "-dash.png")
    picture(odd / "in" / "line\nfeed.png")
    monkeypatch.chdir(odd / "in")
    for _ in range(2):  # the second time, results are no sources
        assert cli.main(["upscale", ".", work.package]) == 0
    assert len(list((odd / "in").iterdir())) == 4
    assert cli.main(["upscale", "./-dash.png", f"out={odd}", work.package]) == 0
    assert cli.main(["upscale", f"out={odd}/b.png", work.package, "--", "-dash.png"]) == 0
    (odd / "in" / "-dash.png").rename(odd / "in" / "-")
    assert cli.main(["upscale", f"out={odd}/c.png", work.package, "--", "-"]) == 0
    assert sorted(path.name for path in odd.iterdir()) == ["-dash_2x.png", "b.png", "c.png", "in"]


def test_interrupted_videos_are_no_sources(work):
    for name in ("clip.mp4", "clip_2x.partial.mp4", "other_2x.partial.mp4"):
        (work.folder / name).touch()
    found = upscale_inputs.jobs([work.folder], UpscaleConfig(), {"picture": 2, "video": 2})
    assert [job.source.name for job in found] == ["clip.mp4", "other_2x.partial.mp4"]


def test_too_little_memory_stops_no_other_picture(work, monkeypatch, capsys):
    picture(work.folder / "in" / "a.png", (9, 9, 3))
    picture(work.folder / "in" / "b.png", (8, 8, 3))
    write = upscale.pictures.write_picture

    def full(target, result, **options):
        if target.name.startswith("a"):
            raise MemoryError
        write(target, result, **options)

    monkeypatch.setattr(upscale.pictures, "write_picture", full)
    assert cli.main(["upscale", "in", work.package]) == 3
    assert files_in(work.folder / "in") == ["a.png", "b.png", "b_2x.png"]
    told = capsys.readouterr().err
    assert "too little memory for the picture" in told
    assert told.count("close other programs") == 1
    assert "1 of 2 pictures" in told
    assert "see the errors above" in told
    assert cli.main(["upscale", "in/a.png", work.package]) == 3
    assert "close other programs" in capsys.readouterr().err


def test_too_little_memory_anywhere_else_is_said(monkeypatch, capsys):
    def full(_):
        raise MemoryError

    monkeypatch.setattr(upscale, "load", full)
    assert cli.main(["upscale", "a.png"]) == 3
    assert "too little memory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tif", "webp"])
def test_formats_that_go_back_in_their_file_go_through_a_pipe(work, monkeypatch, name):
    samples, (reading, writing) = np.random.default_rng(0).integers(0, 65536, (6, 7), np.uint16), os.pipe()
    Image.fromarray(samples).save(work.folder / "a.png")
    with os.fdopen(reading, "rb") as end, os.fdopen(writing, "wb") as pipe:
        streams(monkeypatch, (work.folder / "a.png").read_bytes(), pipe)
        assert cli.main(["upscale", "-", f"format={name}", work.package]) == 0
        pipe.close()
        assert read_picture(io.BytesIO(end.read())).size == (12, 14)


def test_a_pipe_that_nobody_reads_ends_quietly(work, monkeypatch, capsys):
    picture(work.folder / "a.png")
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
        streams(monkeypatch, (work.folder / "a.png").read_bytes(), pipe)
        assert cli.main(["upscale", "-", work.package]) == 141
    assert "Error" not in capsys.readouterr().err


def streams(monkeypatch, given, pipe):
    monkeypatch.setattr(upscale.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    out = SimpleNamespace(buffer=pipe, isatty=lambda: False, fileno=pipe.fileno, flush=pipe.flush)
    monkeypatch.setattr(upscale.sys, "stdout", out)
