"""Frame sizes: names and WxH as people write them, (height, width) in code."""

import re
from dataclasses import dataclass
from typing import Any

from pipersr_build.errors import InputError

NAMED = {
    "240p": (240, 426), "360p": (360, 640), "480p": (480, 854), "540p": (540, 960),
    "720p": (720, 1280), "1080p": (1080, 1920),
}  # fmt: skip
LARGEST = (
    4096  # LR pixels an edge: 8192 and more at twice the size is beyond what Core ML compiled in reports
)


@dataclass(frozen=True)
class FrameSize:
    """An LR frame size and the label that names its package."""

    label: str
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(text: str, key: str = "export.video.size") -> FrameSize:
    """Read `360p` or `720x400` (width x height), the value of a configuration's key.

    Raises:
        InputError: neither a known name nor two numbers from 8 to 4096.
    """
    text = text.strip()
    if text in NAMED:
        return FrameSize(text, *NAMED[text])
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
    if match is None:
        raise InputError(
            f"frame size {text!r} is not understood",
            where=f"configuration key {key}",
            fix=f"give {', '.join(NAMED)} or WIDTHxHEIGHT such as 720x400",
        )
    width, height = map(int, match.groups())
    if not (8 <= width <= LARGEST and 8 <= height <= LARGEST):
        raise InputError(
            f"frame size {text} is out of range",
            where=f"configuration key {key}",
            fix=f"choose a width and a height from 8 to {LARGEST}",
        )
    return FrameSize(f"{width}x{height}", height, width)


def parse_sizes(value: Any, key: str = "export.video.size") -> list[FrameSize]:
    """Read one size, several separated by commas, or a list of them; each at most once.

    Raises:
        InputError: as `parse_size`, or no size at all.
    """
    texts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    sizes = {(size.height, size.width): size for size in (parse_size(str(text), key) for text in texts)}
    if not sizes:
        raise InputError(
            "no frame size is given",
            where=f"configuration key {key}",
            fix="give at least one, for example 360p",
        )
    return list(sizes.values())
