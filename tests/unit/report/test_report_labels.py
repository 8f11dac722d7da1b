import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.report.labels import Box, place

FRAME = Box(0, 0, 700, 300)
POINTS = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 300)), max_size=8)


def mark(point: tuple[float, float], radius: float) -> Box:
    return Box(point[0] - radius, point[1] - radius, point[0] + radius, point[1] + radius)


@settings(deadline=None, max_examples=50)
@given(POINTS)
def test_names_stay_in_the_frame_and_apart(points: list[tuple[float, float]]) -> None:
    boxes = place(points, [(60, 13)] * len(points), FRAME, 4)
    assert len(boxes) == len(points)
    for index, box in enumerate(boxes):
        assert box.inside(FRAME)
        assert (box.right - box.left, box.bottom - box.top) == pytest.approx((60, 13))
        assert not any(box.meets(other) for other in boxes[:index])
        assert not any(box.meets(mark(point, 4)) for point in points)


def test_a_lone_name_is_at_its_points_right_and_at_its_left_where_there_is_no_room() -> None:
    for x, side in ((100, 1), (690, -1)):
        (box,) = place([(x, 150)], [(60, 13)], FRAME, 4)
        assert math.copysign(1, (box.left + box.right) / 2 - x) == side
        assert box.nearest((x, 150))[1] == 150


def test_points_in_one_place_all_get_a_name() -> None:
    boxes = place([(350, 150)] * 6, [(90, 13)] * 6, FRAME, 4)
    assert len({(box.left, box.top) for box in boxes}) == 6


def test_without_room_a_name_is_put_inside_all_the_same() -> None:
    (box,) = place([(5, 5)], [(90, 13)], Box(0, 0, 100, 13), 4)
    assert box.inside(Box(0, 0, 100, 13))


def test_boxes_that_share_an_edge_do_not_meet() -> None:
    first = Box(0, 0, 10, 10)
    assert not first.meets(Box(10, 0, 20, 10))
    assert first.meets(Box(9, 9, 20, 20))
    assert first.nearest((20, 5)) == (10, 5)
    assert first.nearest((3, 4)) == (3, 4)
