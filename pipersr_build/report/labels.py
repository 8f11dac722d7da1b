"""Where to write the names of points in a chart so that none hides another or a point."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_DISTANCES = (4, 10, 18, 28, 40, 54, 70, 90, 115, 145, 180)  # from the mark's edge, in pixels
_ANGLES = (0, 180, 270, 90, 330, 210, 30, 150, 300, 240, 60, 120)  # degrees, clockwise from the right
_SAMPLES = 12  # points of a leader that are tested for crossing a name or a mark
_ROUNDS = 4  # in which names may choose again


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

    def shifted(self, right: float) -> "Box":
        """The same box so many pixels to the right."""
        return Box(self.left + right, self.top, self.right + right, self.bottom)

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

    Names that then are in trouble choose again, in turn, knowing where all the others are.

    Args:
        points: the marks' centres in pixels.
        sizes: width and height of each name.
        frame: what no box may leave.
        radius: of the marks.
        obstacles: centres of other marks, which have no name and are not to be hidden either.

    Returns:
        Boxes in the points' order. They meet no mark and no other box, the straight leaders from mark
        to box cross no name, no other mark and no other leader, and each lies nearer to its own mark than
        to others; where that cannot be had, the last is given up first.
    """
    marks = [_around(point, 2 * radius, 2 * radius) for point in (*points, *obstacles)]
    placed: list[tuple[Point, Box]] = []
    for point, size in zip(points, sizes, strict=True):
        placed.append((point, _best(point, _candidates(point, size, frame, radius), marks, placed)))
    for _ in range(_ROUNDS):
        if not _moved(placed, sizes, frame, radius, marks):
            break
    return [box for _, box in placed]


def _moved(
    placed: list[tuple[Point, Box]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    radius: float,
    marks: Sequence[Box],
) -> bool:
    """Let every name that is in trouble choose again, in place; whether one found a better place."""
    moved = False
    for index, (point, box) in enumerate(placed):
        others = [*placed[:index], *placed[index + 1 :]]
        trouble = _trouble(point, box, marks, others)
        if any(trouble):
            found = _best(point, _candidates(point, sizes[index], frame, radius), marks, others)
            if _trouble(point, found, marks, others) < trouble:
                placed[index], moved = (point, found), True
    return moved


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
    """Boxes in rings around the point, nearest first, moved sideways into the frame; at least one."""
    width, height = size
    for distance in _DISTANCES:
        for angle in _ANGLES:
            x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            away = distance + radius
            box = _around(
                (point[0] + x * (away + width / 2), point[1] + y * (away + height / 2)), width, height
            )
            box = box.shifted(max(0, frame.left - box.left) + min(0, frame.right - box.right))
            if box.inside(frame):
                yield box
    left = min(max(point[0], frame.left), frame.right - width)
    yield Box(left, frame.top, left + width, frame.top + height)


def _trouble(
    point: Point, box: Box, marks: Sequence[Box], placed: Sequence[tuple[Point, Box]]
) -> tuple[int, int, int]:
    """How many marks and names a box would hide, times leaders cross something, and marks are nearer."""
    leader = _leader(point, box)
    hidden = sum(box.meets(other) for other in (*marks, *(name for _, name in placed)))
    crossed = sum(any(_covers(mark, p) for p in leader) for mark in marks if mark.nearest(point) != point)
    for other_point, other in placed:
        theirs = _leader(other_point, other)
        crossed += any(_covers(other, p) for p in leader)
        crossed += any(_covers(box, p) for p in theirs)
        crossed += _cross((leader[0], leader[-1]), (theirs[0], theirs[-1]))
    own = math.dist(point, box.nearest(point))
    centres = [((mark.left + mark.right) / 2, (mark.top + mark.bottom) / 2) for mark in marks]
    return hidden, crossed, sum(math.dist(centre, box.nearest(centre)) < own for centre in centres)


def _leader(point: Point, box: Box) -> list[Point]:
    x, y = box.nearest(point)
    steps = (n / _SAMPLES for n in range(_SAMPLES + 1))
    return [(point[0] + (x - point[0]) * s, point[1] + (y - point[1]) * s) for s in steps]


def _cross(first: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two straight leaders cross between their ends."""

    def side(line: tuple[Point, Point], p: Point) -> float:
        (ax, ay), (bx, by) = line
        return (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax)

    return (
        side(first, other[0]) * side(first, other[1]) < 0
        and side(other, first[0]) * side(other, first[1]) < 0
    )


def _covers(box: Box, point: Point) -> bool:
    return box.left < point[0] < box.right and box.top < point[1] < box.bottom


def _around(centre: Point, width: float, height: float) -> Box:
    x, y = centre
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
