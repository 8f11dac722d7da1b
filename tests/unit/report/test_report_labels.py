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


def test_a_name_that_others_would_cross_finds_another_place() -> None:
    points = [(430.0, 30.0), (457.0, 75.0), (366.0, 48.0), (380.0, 54.0), (390.0, 52.0), (397.0, 64.0)]
    sizes = [(93.0, 13.0), (93.0, 13.0), (31.0, 13.0), (45.0, 13.0), (31.0, 13.0), (31.0, 13.0)]
    boxes = place(points, sizes, Box(44, 20, 470, 290), 5)
    for index, box in enumerate(boxes):
        assert box.inside(Box(44, 20, 470, 290))
        for other, point in zip(boxes[:index], points[:index], strict=True):
            assert not box.meets(other)
            tip = other.nearest(point)
            middle = (point[0] + tip[0]) / 2, (point[1] + tip[1]) / 2
            assert not (box.left < middle[0] < box.right and box.top < middle[1] < box.bottom)


def test_a_name_at_the_edge_is_moved_sideways_into_the_frame() -> None:
    (box,) = place([(95, 50)], [(80, 13)], Box(0, 0, 100, 100), 4, obstacles=[(50, 50)])
    assert box.right == 100
    assert not box.meets(mark((95, 50), 4))
