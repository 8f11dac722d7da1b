import pytest

from pipersr_build.errors import InputError
from pipersr_build.export.sizes import parse_size, parse_sizes


def test_the_three_locked_video_sizes():
    sizes = parse_sizes("360p,480p,540p")
    assert [(s.label, s.width, s.height) for s in sizes] == [
        ("360p", 640, 360), ("480p", 854, 480), ("540p", 960, 540)]  # fmt: skip


@pytest.mark.parametrize("value", ["720x400", ["720x400"], "720x400,720x400"])
def test_any_size_as_text_or_list_each_once(value):
    assert [(s.label, s.height, s.width) for s in parse_sizes(value)] == [("720x400", 400, 720)]


@pytest.mark.parametrize("text", ["", "big", "720", "720x", "7x400", "720x4097", "-8x8", "9p"])
def test_what_is_not_a_size_is_refused(text):
    with pytest.raises(InputError, match=r"frame size"):
        parse_size(text)


def test_no_size_is_refused():
    with pytest.raises(InputError, match="no frame size"):
        parse_sizes([])
