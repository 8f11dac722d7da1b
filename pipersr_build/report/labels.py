"""Where to write the names of points in a chart so that none hides another or a point."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_DISTANCES = (4, 10, 18, 28, 40, 54, 70, 90, 115, 145, 180)  # from the mark's edge, in pixels
_ANGLES = (0, 180, 270, 90, 330, 210, 30, 150, 300, 240, 60, 120)  # degrees, clockwise from the right
_SAMPLES = 12  # points of a leader that are tested for crossing a name


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, `top` above `bottom`."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def inside(self, other: "Box") -> bool:
        """Whether it lies wholly in `other`."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom

    def nearest(self, point: Point) -> Point:
        """The point of the box that is nearest to `point`."""
        x, y = point
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)


def place(
    points: Sequence[Point],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    radius: float,
    obstacles: Sequence[Point] = (),
) -> list[Box]:
    """A box for every point's name, as near to it as there is room; earlier points choose first.

    Args:
        points: the marks' centres in pixels.
        sizes: width and height of each name.
        frame: what no box may leave.
        radius: of the marks.
        obstacles: centres of other marks, which have no name and are not to be hidden either.

    Returns:
        Boxes in the points' order. They meet no mark and no other box, the straight leaders from mark
        to box cross none, and each lies nearer to its own mark than to others; where that cannot be
        had, the last is given up first.
    """
    marks = [_around(point, 2 * radius, 2 * radius) for point in (*points, *obstacles)]
    placed: list[tuple[Point, Box]] = []
    for point, size in zip(points, sizes, strict=True):
        placed.append((point, _best(point, _candidates(point, size, frame, radius), marks, placed)))
    return [box for _, box in placed]


def _best(
    point: Point, candidates: Iterator[Box], marks: Sequence[Box], placed: Sequence[tuple[Point, Box]]
) -> Box:
    """The first candidate without trouble, else the first of those with least."""
    tried: list[tuple[tuple[int, int, int], Box]] = []
    for box in candidates:
        trouble = _trouble(point, box, marks, placed)
        if not any(trouble):
            return box
        tried.append((trouble, box))
    return min(tried, key=lambda item: item[0])[1]


def _candidates(point: Point, size: tuple[float, float], frame: Box, radius: float) -> Iterator[Box]:
    """Boxes in rings around the point, nearest first, those inside the frame; at least one."""
    width, height = size
    for distance in _DISTANCES:
        for angle in _ANGLES:
            x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            away = distance + radius
            box = _around(
                (point[0] + x * (away + width / 2), point[1] + y * (away + height / 2)), width, height
            )
            if box.inside(frame):
                yield box
    left = min(max(point[0], frame.left), frame.right - width)
    yield Box(left, frame.top, left + width, frame.top + height)


def _trouble(
    point: Point, box: Box, marks: Sequence[Box], placed: Sequence[tuple[Point, Box]]
) -> tuple[int, int, int]:
    """How many marks and names a box would hide, leaders cross names, and marks are nearer than its own."""
    leader = _leader(point, box)
    hidden = sum(box.meets(other) for other in (*marks, *(name for _, name in placed)))
    crossed = 0
    for other_point, other in placed:
        crossed += any(_covers(other, p) for p in leader)
        crossed += any(_covers(box, p) for p in _leader(other_point, other))
    own = math.dist(point, box.nearest(point))
    centres = [((mark.left + mark.right) / 2, (mark.top + mark.bottom) / 2) for mark in marks]
    return hidden, crossed, sum(math.dist(centre, box.nearest(centre)) < own for centre in centres)


def _leader(point: Point, box: Box) -> list[Point]:
    x, y = box.nearest(point)
    steps = (n / _SAMPLES for n in range(_SAMPLES + 1))
    return [(point[0] + (x - point[0]) * s, point[1] + (y - point[1]) * s) for s in steps]


def _covers(box: Box, point: Point) -> bool:
    return box.left < point[0] < box.right and box.top < point[1] < box.bottom


def _around(centre: Point, width: float, height: float) -> Box:
    x, y = centre
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
